package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"time"

	"usher/scanner"
)

// row is what the audit reads of an export.
type row struct {
	Seq        uint64    `json:"seq"`
	ID         string    `json:"id"`
	Kind       string    `json:"kind"`
	At         time.Time `json:"at"`
	AtEarliest time.Time `json:"at_earliest"`
	AtLatest   time.Time `json:"at_latest"`
	AtTrusted  bool      `json:"at_trusted"`
	RawAt      time.Time `json:"raw_at"`
	Scanner    string    `json:"scanner"`
	Code       string    `json:"code"`
	Verdict    string    `json:"verdict"`
	Reason     string    `json:"reason"`
	Mode       string    `json:"mode"`
	Late       bool      `json:"late"`
	InDoubt    bool      `json:"in_doubt"`
	Conflict   bool      `json:"conflict"`
	Overridden bool      `json:"overridden"`
	By         string    `json:"by"`
	Of         uint64    `json:"of"`
	Fate       string    `json:"fate"`
	FateBy     string    `json:"fate_by"`
	FateDetail string    `json:"fate_detail"`
	TookMS     float64   `json:"took_ms"`
}

func (r row) movement() bool {
	return r.Verdict == string(scanner.Admit) && (r.Kind == string(scanner.KindScan) || r.Kind == string(scanner.KindOverride))
}

func (r row) String() string {
	text := fmt.Sprintf("seq %d %s %s/%s %s at %s ±%s", r.Seq, r.Kind, r.Verdict, r.Reason, r.Mode, clock(r.At), (r.AtLatest.Sub(r.AtEarliest) / 2).Round(time.Millisecond))
	for name, on := range map[string]bool{"late": r.Late, "in_doubt": r.InDoubt, "conflict": r.Conflict, "overridden": r.Overridden} {
		if on {
			text += " " + name
		}
	}
	if r.Of > 0 {
		text += fmt.Sprintf(" of %d", r.Of)
	}
	if r.By != "" {
		text += " by " + r.By
	}
	return fmt.Sprintf("%s at %s took %.1f ms fate %s %s %s", text, r.Scanner, r.TookMS, r.Fate, r.FateBy, r.FateDetail)
}

// readRows reads an export, whose seqs must rise.
func readRows(from io.Reader) ([]row, error) {
	var rows []row
	for dec := json.NewDecoder(from); dec.More(); {
		var r row
		if err := dec.Decode(&r); err != nil {
			return nil, fmt.Errorf("row %d: %w", len(rows)+1, err)
		}
		if len(rows) > 0 && r.Seq <= rows[len(rows)-1].Seq {
			return nil, fmt.Errorf("seq %d follows %d", r.Seq, rows[len(rows)-1].Seq)
		}
		rows = append(rows, r)
	}
	return rows, nil
}

// deadExport is what the device's files say once its daemon is gone.
func (w *world) deadExport() ([]row, error) {
	cmd := exec.Command(w.usher, "export", "--state-dir", w.state(), "--format", "jsonl")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, err
	}
	return readRows(bytes.NewReader(out))
}

func clock(t time.Time) string { return t.Local().Format("15:04:05.000") }
