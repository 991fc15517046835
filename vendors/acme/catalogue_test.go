package acme_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"usher/scanner"
	"usher/vendors/acme"
	"usher/vendors/acme/acmesim"
)

func sample(t *testing.T, name string) []byte {
	t.Helper()
	raw, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// checkPlaces fails the test where a type has no field of a name that was sent.
func checkPlaces(t *testing.T, path string, sent any, into reflect.Type) {
	t.Helper()
	if into.Kind() == reflect.Pointer {
		into = into.Elem()
	}
	switch sent := sent.(type) {
	case []any:
		for _, one := range sent {
			if into.Kind() == reflect.Slice {
				checkPlaces(t, path+"[]", one, into.Elem())
			}
		}
	case map[string]any:
		if into.Kind() != reflect.Struct {
			return
		}
		for name, value := range sent {
			at := slices.IndexFunc(reflect.VisibleFields(into), func(f reflect.StructField) bool {
				tag, _, _ := strings.Cut(f.Tag.Get("json"), ",")
				return tag == name
			})
			if at < 0 {
				t.Errorf("%s.%s has no place", path, name)
				continue
			}
			checkPlaces(t, path+"."+name, value, into.Field(at).Type)
		}
	}
}

// Each field of the Event Template Object and of the objects in it has a place, and
// each place is filled by a field of the sample. Those of instances alone are named.
func TestEveryFieldOfATemplate(t *testing.T) {
	raw := sample(t, "template.json")
	var got acme.Template
	var sent any
	if err := errors.Join(json.Unmarshal(raw, &got), json.Unmarshal(raw, &sent)); err != nil {
		t.Fatal(err)
	}
	checkPlaces(t, "", sent, reflect.TypeFor[acme.Template]())
	only := []string{"TemplateName", "Category", "StartsAt", "EndsAt", "LatePurchase", "ExpireFromEvent", "DoNotPrint"}
	var walk func(path string, v reflect.Value)
	walk = func(path string, v reflect.Value) {
		name := path[strings.LastIndex(path, ".")+1:]
		instance := slices.Contains(only, name) && (strings.Contains(path, "Resources") || strings.Contains(path, "Details"))
		alone := strings.HasSuffix(path, "Duration.Hours") || strings.HasSuffix(path, "Duration.Days") || strings.HasSuffix(path, "Duration.EndOfDay") ||
			strings.HasSuffix(path, "Min.Hour") || strings.HasSuffix(path, "Max.Hour") || strings.HasPrefix(path, ".Recommendations") && name == "Name" ||
			strings.HasPrefix(path, ".Schedules") && strings.Contains(path, "PriceLists[0]")
		if v.IsZero() {
			if !instance && !alone {
				t.Errorf("%s is filled by nothing", path)
			}
			return
		}
		switch v.Kind() {
		case reflect.Struct:
			for i := range v.NumField() {
				if f := v.Type().Field(i); f.IsExported() {
					walk(path+"."+f.Name, v.Field(i))
				}
			}
		case reflect.Slice:
			for i := range v.Len() {
				walk(fmt.Sprintf("%s[%d]", path, i), v.Index(i))
			}
		case reflect.Pointer:
			walk(path, v.Elem())
		}
	}
	walk("", reflect.ValueOf(got))
	c := over(t, canned{body: string(raw)}, nil)
	if same, err := c.Template(t.Context(), string(got.ID), acme.Query{}); err != nil || !reflect.DeepEqual(same, got) {
		t.Errorf("%v, by the call: %+v", err, same)
	}
	if _, err := c.Template(t.Context(), "57113d507947cc39efb44250", acme.Query{}); err == nil {
		t.Error("another template's answer is taken")
	}
}

// The document's own example of all times, and what clients call the same.
func TestTimesInBothSpellings(t *testing.T) {
	document := string(sample(t, "times.json"))
	clients := strings.NewReplacer("templateId", "eventTemplateId", "seatsAvailable", "availableSeats").Replace(document)
	for spelling, body := range map[string]string{"document": document, "clients": clients, "paged": `{"list":` + document + `}`} {
		c := over(t, canned{body: body}, nil)
		all, err := c.AllTimes(t.Context(), acme.Query{})
		if err != nil || len(all) != 1 || all[0].ID() != "123" || len(all[0].Times) != 1 {
			t.Fatalf("%s: %+v, %v", spelling, all, err)
		}
		got := all[0].Times[0]
		if got.ID != "789" || *got.Date != "Mon, Nov 17, 2018" || *got.Time != "9:30 AM EST" || !got.StartsAt.At.Equal(time.Date(2014, 11, 18, 14, 30, 0, 0, time.UTC)) {
			t.Errorf("%s: %+v", spelling, got)
		}
		seats, other := got.SeatsAvailable, got.AvailableSeats
		if spelling == "clients" {
			seats, other = other, seats
		}
		if reflect.ValueOf(seats).IsZero() || !reflect.ValueOf(other).IsZero() {
			t.Errorf("%s: not read under its own name alone", spelling)
		}
	}
	times := document[strings.Index(document, `"times":`)+8 : strings.LastIndex(document, "}")]
	c := over(t, canned{body: strings.Replace(times, `"time":`, `"addOns":{"inventoryIds":[1],"inventoryAddOns":[{"id":"91","name":"Guide"}]},"time":`, 1)}, nil)
	got, err := c.Times(t.Context(), "123", acme.Query{})
	if err != nil || len(got) != 1 || got[0].ID != "789" || len(got[0].AddOns.IDs) != 1 || *got[0].AddOns.Items[0].Name != "Guide" {
		t.Errorf("%+v, %v", got, err)
	}
}

// How many seats are left, sold or there at all is in nothing that is printed, logged
// or written as JSON, and is read all the same.
func TestNoCountGetsOut(t *testing.T) {
	const body = `"soldQuantity":73101,"capacity":"73102","availableSeats":73103,"seatsAvailable":73104.0,"addOns":{"inventoryAddOns":[{"id":"1","quantity":73105}]}`
	var got struct {
		Time     acme.EventTime
		Template acme.Template
	}
	for _, into := range []any{&got.Time, &got.Template} {
		if err := json.Unmarshal([]byte(`{"id":"1",`+body+`}`), into); err != nil {
			t.Fatal(err)
		}
	}
	for name, count := range map[string]any{
		"available": got.Time.AvailableSeats, "seats": got.Time.SeatsAvailable, "sold": got.Template.Sold, "capacity": got.Template.Capacity,
		"quantity": got.Template.AddOns.Items[0].Quantity,
	} {
		if reflect.ValueOf(count).IsZero() {
			t.Errorf("%s is not read", name)
		}
		// A number that is not printed may stand behind a pointer that is.
		if text := fmt.Sprintf("%v %+v %#v %d %x", count, count, count, count, count); text != "withheld withheld withheld withheld withheld" {
			t.Errorf("%s: %s", name, text)
		}
	}
	written, err := json.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("seen", "all", got, "sold", got.Template.Sold)
	if text := string(written) + fmt.Sprintf("%+v %#v", got, got) + log.String(); strings.Contains(text, "7310") || !strings.Contains(text, "withheld") {
		t.Errorf("tells a count: %s", text)
	}
	if err := json.Unmarshal([]byte(`{"seatsAvailable":"many"}`), &got.Time); err == nil {
		t.Error("a count that is none is taken")
	}
}

// A calendar is an array, or an object with days.
func TestCalendarInBothForms(t *testing.T) {
	const days = `[{"date":"2026-12-24T00:00:00-05:00","active":true},{"date":"2026-12-25","name":"Christmas Day","active":"false"}]`
	for _, body := range []string{days, `{"days":` + days + `}`} {
		c := over(t, canned{body: body}, nil)
		for name, call := range map[string]func() ([]acme.Day, error){
			"all": func() ([]acme.Day, error) { return c.Calendar(t.Context(), acme.Query{}) },
			"one": func() ([]acme.Day, error) { return c.TemplateCalendar(t.Context(), "123", acme.Query{}) },
		} {
			got, err := call()
			if err != nil || len(got) != 2 || !bool(got[0].Active) || bool(got[1].Active) || got[0].Date.At.Day() != 24 || got[1].Date.Text != "2026-12-25" || *got[1].Name != "Christmas Day" {
				t.Errorf("%s of %s: %+v, %v", name, body, got, err)
			}
		}
	}
}

// Each call goes to its path and takes the parameters that its document names, and no
// other.
func TestParameters(t *testing.T) {
	zone := time.FixedZone("", -5*3600)
	from := time.Date(2026, 11, 21, 14, 0, 0, 0, time.UTC)
	full := acme.Query{
		From: from, To: from.Add(time.Hour), Type: acme.AnyType, Channel: acme.PointOfSale, Membership: "m", Category: "k", Combo: "c", Card: "b",
	}
	names := map[string]func(*acme.Query){
		"startTime": func(q *acme.Query) { q.From, q.To = time.Time{}, time.Time{} }, "type": func(q *acme.Query) { q.Type = "" },
		"endTime": func(q *acme.Query) { q.To = time.Time{} }, "saleChannel": func(q *acme.Query) { q.Channel = "" },
		"membershipId": func(q *acme.Query) { q.Membership = "" }, "membershipCategoryId": func(q *acme.Query) { q.Category = "" },
		"comboTemplateId": func(q *acme.Query) { q.Combo = "" }, "barcode": func(q *acme.Query) { q.Card = "" },
	}
	ctx := t.Context()
	for path, tt := range map[string]struct {
		call  func(c *acme.Client, q acme.Query) error
		takes string
	}{
		"/v2/b2c/event/templates": {func(c *acme.Client, q acme.Query) error { _, err := c.Templates(ctx, q); return err },
			"startTime endTime type membershipId membershipCategoryId"},
		"/v2/b2c/event/templates/slim": {func(c *acme.Client, q acme.Query) error { _, err := c.SlimTemplates(ctx, q); return err },
			"startTime endTime type saleChannel membershipId membershipCategoryId"},
		"/v2/b2c/event/templates/t1": {func(c *acme.Client, q acme.Query) error { _, err := c.Template(ctx, "t1", q); return err },
			"saleChannel membershipId membershipCategoryId"},
		"/v2/b2c/event/templates/t1/times": {func(c *acme.Client, q acme.Query) error { _, err := c.Times(ctx, "t1", q); return err },
			"startTime endTime saleChannel type comboTemplateId membershipId membershipCategoryId"},
		"/v2/b2c/event/templates/times": {func(c *acme.Client, q acme.Query) error { _, err := c.AllTimes(ctx, q); return err },
			"startTime endTime saleChannel type membershipId membershipCategoryId"},
		"/v2/b2c/event/templates/calendar": {func(c *acme.Client, q acme.Query) error { _, err := c.Calendar(ctx, q); return err },
			"startTime endTime saleChannel type membershipId membershipCategoryId"},
		"/v2/b2c/event/templates/t1/calendar": {func(c *acme.Client, q acme.Query) error { _, err := c.TemplateCalendar(ctx, "t1", q); return err },
			"startTime endTime saleChannel type membershipId membershipCategoryId"},
		"/v2/b2c/events/i1": {func(c *acme.Client, q acme.Query) error { _, err := c.Event(ctx, "i1", q); return err },
			"saleChannel membershipId membershipCategoryId barcode"},
		"/v2/b2c/events/t1/nextAvailable": {func(c *acme.Client, q acme.Query) error { _, err := c.NextAvailable(ctx, "t1", q); return err },
			"startTime salesChannel membershipId membershipCategoryId"},
	} {
		var seen *http.Request
		c := over(t, canned{body: `[]`, seen: func(r *http.Request) { seen = r }}, func(_ map[string]any, d *acme.Deps) { d.Zone = zone })
		takes := strings.Fields(tt.takes)
		if err := tt.call(c, full); scanner.CallErrorOf(err).Trouble != scanner.Malformed || seen != nil {
			t.Errorf("%s takes everything: %v", path, err)
		}
		q := full
		for name, drop := range names {
			if !slices.Contains(takes, name) && (name != "saleChannel" || !slices.Contains(takes, "salesChannel")) {
				drop(&q)
			}
		}
		_ = tt.call(c, q)
		if seen == nil || seen.URL.Path != path {
			t.Errorf("%s: asked %v", path, seen)
			continue
		}
		got := seen.URL.Query()
		for name, values := range got {
			if !slices.Contains(takes, name) || len(values) != 1 {
				t.Errorf("%s: sent %s", path, name)
			}
		}
		if len(got) != len(takes) {
			t.Errorf("%s: %v, wants %v", path, got, takes)
		}
		if at := got.Get("startTime"); at != "" && at != "2026-11-21T09:00:00-05:00" {
			t.Errorf("%s: %s", path, at)
		}
	}
	c := over(t, canned{body: `[]`}, nil)
	for name, call := range map[string]func() error{
		"an end without a start": func() error { _, err := c.Times(ctx, "1", acme.Query{To: from}); return err },
		"a path in an id":        func() error { _, err := c.Times(ctx, "../x", acme.Query{}); return err },
		"no id":                  func() error { _, err := c.Template(ctx, "", acme.Query{}); return err },
		"a long parameter":       func() error { _, err := c.Templates(ctx, acme.Query{Membership: strings.Repeat("m", 201)}); return err },
		"no instance":            func() error { _, err := c.Instance(ctx, ""); return err },
	} {
		if call := scanner.CallErrorOf(call()); call.Trouble != scanner.Malformed || call.MaybeSent {
			t.Errorf("%s: %v", name, call)
		}
	}
}

// Every call against the simulator, in both spellings.
func TestCatalogue(t *testing.T) {
	now := time.Date(2026, 11, 21, 19, 0, 0, 0, time.UTC)
	for _, clients := range []bool{false, true} {
		g := newGate(t, acmesim.Options{Clients: clients, Now: func() time.Time { return now }}, nil)
		c, ctx := g.client, t.Context()
		day := acme.Query{From: now.Add(-12 * time.Hour), To: now.Add(12 * time.Hour)}
		all, err := c.Templates(ctx, acme.Query{Type: acme.AnyType})
		public, err2 := c.SlimTemplates(ctx, day)
		if err != nil || err2 != nil || len(all) != 2 || len(public) != 1 || public[0].Details.Window != nil || all[0].Details.Window == nil {
			t.Errorf("templates: %d, %d, %v, %v", len(all), len(public), err, err2)
		}
		if one, err := c.Template(ctx, acmesim.DemoTemplate, acme.Query{}); err != nil || *one.Review != "Published" {
			t.Errorf("template: %v", err)
		}
		if times, err := c.Times(ctx, acmesim.DemoTemplate, day); err != nil || len(times) != 4 {
			t.Errorf("times: %d, %v", len(times), err)
		}
		if buckets, err := c.AllTimes(ctx, day); err != nil || len(buckets) != 2 || buckets[0].ID() != acmesim.DemoTemplate {
			t.Errorf("all times: %+v, %v", buckets, err)
		}
		week := acme.Query{From: now, To: now.AddDate(0, 0, 7)}
		if days, err := c.Calendar(ctx, week); err != nil || len(days) != 8 || !bool(days[0].Active) || bool(days[2].Active) {
			t.Errorf("calendar: %+v, %v", days, err)
		}
		far := acme.Query{From: now.AddDate(1, 0, 0), To: now.AddDate(1, 0, 1)}
		if days, err := c.TemplateCalendar(ctx, acmesim.DemoTemplate, far); err != nil || len(days) < 60 {
			t.Errorf("calendar of a template, nothing in the span: %d days, %v", len(days), err)
		}
		if sums, err := c.Summaries(ctx, acme.Range{From: day.From, To: day.To}); err != nil || len(sums) != 5 || string(sums[0].Template) != acmesim.DemoTemplate {
			t.Errorf("summaries: %+v, %v", sums, err)
		}
		if e, err := c.Event(ctx, show, acme.Query{Card: "1"}); err != nil || string(e.ID) != show {
			t.Errorf("event: %v", err)
		}
		if e, err := c.NextAvailable(ctx, acmesim.DemoTemplate, acme.Query{From: now}); err != nil || e.StartsAt.At.Before(now) {
			t.Errorf("next: %v", err)
		}
		if _, err := c.Event(ctx, "nowhere", acme.Query{}); scanner.CallErrorOf(err).Status != http.StatusNotFound {
			t.Errorf("no event: %v", err)
		}
	}
}
