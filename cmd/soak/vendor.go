package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"time"

	"usher/vendors/audienceview/audienceviewsim"
)

// vendorCall is one call that reached the simulator: what the network did to its
// answer is another matter.
type vendorCall struct {
	at   time.Time
	name string
	// codes are the tickets it was about, times those of an upload's scans.
	codes []string
	times []time.Time
	// id is the vendor's error; 0: none.
	id int
	// failed are the uploaded codes that were not taken.
	failed map[string]string
}

// recorder is the simulator with a record of its calls.
type recorder struct {
	sim *audienceviewsim.Sim

	mu     sync.Mutex // guards what follows
	calls  []vendorCall
	tokens []string
}

// reply is what is read of every kind of answer.
type vendorReply struct {
	Details *struct {
		ID int `json:"errorCodeId"`
	} `json:"errorDetails"`
	Token  string `json:"accessToken"`
	Failed []struct {
		Barcode string `json:"barcode"`
		Reason  string `json:"reason"`
	} `json:"failedBarcodes"`
}

// ServeHTTP serves the vendor's calls. Lists pass by: they are long.
func (v *recorder) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	call := vendorCall{at: time.Now(), name: audienceviewsim.CallName(r)}
	switch call.name {
	case "authenticate", "validateTicket", "syncScans":
	default:
		v.sim.ServeHTTP(w, r)
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	var asked struct {
		Barcode string `json:"barcodeString"`
		Tickets []struct {
			Barcode string `json:"barcode"`
			At      int64  `json:"scanTime"`
		} `json:"tickets"`
	}
	_ = json.Unmarshal(body, &asked)
	if asked.Barcode != "" {
		call.codes = []string{asked.Barcode}
	}
	for _, t := range asked.Tickets {
		call.codes = append(call.codes, t.Barcode)
		call.times = append(call.times, time.UnixMilli(t.At))
	}
	answer := httptest.NewRecorder()
	v.sim.ServeHTTP(answer, r)
	var reply vendorReply
	_ = json.Unmarshal(answer.Body.Bytes(), &reply)
	if reply.Details != nil {
		call.id = reply.Details.ID
	}
	call.failed = map[string]string{}
	for _, f := range reply.Failed {
		call.failed[f.Barcode] = f.Reason
	}
	v.mu.Lock()
	v.calls = append(v.calls, call)
	if reply.Token != "" {
		v.tokens = append(v.tokens, reply.Token)
	}
	v.mu.Unlock()
	for name, values := range answer.Header() {
		w.Header()[name] = values
	}
	w.WriteHeader(answer.Code)
	_, _ = w.Write(answer.Body.Bytes())
}

// record gives the calls so far.
func (v *recorder) record() []vendorCall {
	v.mu.Lock()
	defer v.mu.Unlock()
	return append([]vendorCall(nil), v.calls...)
}

// secrets are the tokens that were given out.
func (v *recorder) secrets() []string {
	v.mu.Lock()
	defer v.mu.Unlock()
	return append([]string(nil), v.tokens...)
}
