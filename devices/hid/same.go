package hid

import "github.com/karalabe/hid"

// Overlaps tells whether one device could be meant by both configurations, and
// which key would tell them apart.
func (d *Driver) Overlaps(other *Driver) (key string, overlaps bool) {
	a, b := d.cfg, other.cfg
	switch {
	case a.VendorID != b.VendorID,
		a.ProductID != 0 && b.ProductID != 0 && a.ProductID != b.ProductID,
		a.Serial != "" && b.Serial != "" && a.Serial != b.Serial,
		a.Interface >= 0 && b.Interface >= 0 && a.Interface != b.Interface:
		return "", false
	case a.ProductID != b.ProductID:
		return "product_id", true
	case (a.Interface < 0) != (b.Interface < 0):
		return "interface", true
	}
	return "serial", true
}

// Interface is the interface of USB that Open would take now, such as 1-2:1.0;
// empty: none, or it cannot be told. Like Open, it is for one goroutine.
func (d *Driver) Interface() string {
	plugged, err := d.plugged()
	if err != nil {
		return ""
	}
	known := d.descriptors(plugged)
	var list []hid.DeviceInfo
	for path, i := range known {
		if i.hid {
			list = append(list, hid.DeviceInfo{Path: path})
		}
	}
	info, _, err := d.choose(list, known, plugged)
	if err != nil {
		return ""
	}
	return info.Path
}
