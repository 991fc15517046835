package archtics

import (
	"encoding/json"
	"errors"
	"math"
	"strconv"
	"strings"
)

// number is a number that may come as text: the tables say int, samples and other
// people's code show both.
type number int64

// UnmarshalJSON takes 1, 1.0, "1" and " 1 "; null leaves what is.
func (n *number) UnmarshalJSON(raw []byte) error {
	if string(raw) == "null" {
		return nil
	}
	said := string(raw)
	if raw[0] == '"' {
		if err := json.Unmarshal(raw, &said); err != nil {
			return err
		}
		said = strings.TrimSpace(said)
	}
	if v, err := strconv.ParseInt(said, 10, 64); err == nil {
		*n = number(v)
		return nil
	}
	f, err := strconv.ParseFloat(said, 64)
	if err != nil || f != math.Trunc(f) || math.Abs(f) > 1<<53 {
		return errors.New("a number that is none")
	}
	*n = number(f)
	return nil
}

// text is text that may come as a number or a bool. Blanks around it are gone.
type text string

// UnmarshalJSON takes every value that is neither an array nor an object.
func (t *text) UnmarshalJSON(raw []byte) error {
	switch raw[0] {
	case '"':
		var s string
		if err := json.Unmarshal(raw, &s); err != nil {
			return err
		}
		*t = text(strings.TrimSpace(s))
	case '[', '{':
		return errors.New("text that is none")
	case 'n':
	default:
		*t = text(raw)
	}
	return nil
}
