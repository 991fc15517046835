package manifest

import (
	"bytes"
	"encoding/json"
	"io"
)

// jsonLines reads first and the lines after it, each one object.
func (in *input) jsonLines(first []byte) error {
	for line := first; ; {
		var v row
		ok, err := in.object(line, &v)
		if err == nil && ok {
			err = in.row(&v)
		}
		if err != nil {
			return err
		}
		if line, err = in.next(); err != nil {
			return err
		}
	}
}

// object reads one line. It goes token by token: encoding/json takes the last of
// two equal keys, and keys of another case, without a word.
func (in *input) object(line []byte, v *row) (ok bool, err error) {
	dec := json.NewDecoder(bytes.NewReader(line))
	if token, err := dec.Token(); err != nil || token != json.Delim('{') {
		return false, in.fault("not a JSON object; write one object a line")
	}
	var seen [len(v)]bool
	for place := 1; dec.More(); place++ {
		token, err := dec.Token()
		key, isText := token.(string)
		if err != nil || !isText {
			return false, in.broken()
		}
		i := column(key)
		switch {
		case i < 0:
			return false, in.fault("unknown key %s; %s", shown(key, place), suggestion(key))
		case seen[i]:
			return false, in.fault("key %s is there twice; keep one", columns[i])
		}
		seen[i] = true
		value, err := dec.Token()
		if err != nil {
			return false, in.broken()
		}
		switch value := value.(type) {
		case string:
			v[i] = value
		case nil: // as an empty value
		default:
			return false, in.fault("%s is not a text; write it in quotes", columns[i])
		}
	}
	if _, err := dec.Token(); err != nil {
		return false, in.broken()
	}
	if _, err := dec.Token(); err != io.EOF {
		return false, in.fault("something follows the object; write one object a line")
	}
	if !seen[codeColumn] {
		return false, in.fault("no key code; every ticket needs one")
	}
	return true, nil
}

func (in *input) broken() error {
	return in.fault("the JSON is damaged or cut off; export the list again")
}
