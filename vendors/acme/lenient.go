package acme

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
)

// lenient reads an object of which a gate needs some fields only, those in must. What
// is for people to read must not keep a gate from admitting by its form: a number is
// taken as text where text belongs, and any other field of a wrong type is left empty
// and named in unread. An error is that of a field in must, or there is no object.
func lenient(raw []byte, into any, must ...string) (unread []string, err error) {
	var parts map[string]json.RawMessage
	if err := json.Unmarshal(raw, &parts); err != nil {
		return nil, err
	}
	v := reflect.ValueOf(into).Elem()
	for i := range v.NumField() {
		name, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("json"), ",")
		part, told := parts[name]
		if !told || name == "" {
			continue
		}
		field := v.Field(i)
		err := json.Unmarshal(part, field.Addr().Interface())
		if err == nil {
			continue
		}
		field.SetZero()
		if slices.Contains(must, name) {
			return nil, err
		}
		var number json.Number
		if text, isText := field.Addr().Interface().(**string); isText && json.Unmarshal(part, &number) == nil {
			s := number.String()
			*text = &s
			continue
		}
		unread = append(unread, name)
	}
	return unread, nil
}

// What a gate needs of each.

// UnmarshalJSON wants the id, and notes what of the check-in window it cannot read.
func (i *Instance) UnmarshalJSON(raw []byte) error {
	unread, err := lenient(raw, i, "id")
	for _, name := range []string{"templateId", "ticketDetails"} {
		if slices.Contains(unread, name) {
			i.unread = name
		}
	}
	return err
}

// UnmarshalJSON wants the id.
func (s *Summary) UnmarshalJSON(raw []byte) error {
	_, err := lenient(raw, s, "id")
	return err
}

// UnmarshalJSON wants the id and the check-in window.
func (t *Template) UnmarshalJSON(raw []byte) error {
	_, err := lenient(raw, t, "id", "ticketDetails")
	return err
}

// UnmarshalJSON wants the check-in window.
func (d *ticketDetails) UnmarshalJSON(raw []byte) error {
	_, err := lenient(raw, d, "checkInWindow")
	return err
}

// UnmarshalJSON wants nothing: it is for people alone.
func (r *resource) UnmarshalJSON(raw []byte) error {
	_, err := lenient(raw, r)
	return err
}

// UnmarshalJSON wants the verdict, when it was given, and the ticket's identity.
func (r *reply) UnmarshalJSON(raw []byte) error {
	_, err := lenient(raw, r, "checkInStatus", "checkInDate", "ticketUUID")
	return err
}

// UnmarshalJSON wants the ticket's identity and whether it is checked in.
func (t *ticketAnswer) UnmarshalJSON(raw []byte) error {
	_, err := lenient(raw, t, "uuid", "checkInDate")
	return err
}
