package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"time"
)

// qmp speaks QEMU's machine protocol: one command at a time, and events between.
type qmp struct {
	conn net.Conn

	calling sync.Mutex // held during a call
	answers chan qmpMessage

	mu     sync.Mutex // guards what follows
	gone   []string   // ids of devices that were deleted
	change chan struct{}
}

type qmpMessage struct {
	Return json.RawMessage `json:"return"`
	Error  *struct {
		Desc string `json:"desc"`
	} `json:"error"`
	Event string `json:"event"`
	Data  struct {
		Device string `json:"device"`
	} `json:"data"`
}

const qmpDeadline = 20 * time.Second

func newQMP(conn net.Conn) (*qmp, error) {
	q := &qmp{conn: conn, answers: make(chan qmpMessage, 1), change: make(chan struct{})}
	go q.read()
	return q, q.do("qmp_capabilities", nil)
}

func (q *qmp) read() {
	defer close(q.answers)
	for lines := bufio.NewScanner(q.conn); lines.Scan(); {
		var m qmpMessage
		if json.Unmarshal(lines.Bytes(), &m) != nil {
			continue
		}
		switch {
		case m.Event == "DEVICE_DELETED":
			q.mu.Lock()
			q.gone = append(q.gone, m.Data.Device)
			close(q.change)
			q.change = make(chan struct{})
			q.mu.Unlock()
		case m.Return != nil || m.Error != nil:
			q.answers <- m
		}
	}
}

// do gives a command and waits for its answer.
func (q *qmp) do(command string, arguments any) error {
	q.calling.Lock()
	defer q.calling.Unlock()
	text, err := json.Marshal(map[string]any{"execute": command, "arguments": arguments})
	if arguments == nil {
		text, err = json.Marshal(map[string]any{"execute": command})
	}
	if err != nil {
		return err
	}
	if _, err := q.conn.Write(text); err != nil {
		return fmt.Errorf("qmp: %w", err)
	}
	select {
	case m, ok := <-q.answers:
		switch {
		case !ok:
			return errors.New("qmp: qemu is gone")
		case m.Error != nil:
			return fmt.Errorf("qmp: %s: %s", command, m.Error.Desc)
		}
		return nil
	case <-time.After(qmpDeadline):
		return fmt.Errorf("qmp: %s: no answer", command)
	}
}

// add plugs a device in.
func (q *qmp) add(device map[string]any) error {
	q.mu.Lock()
	q.gone = slices.DeleteFunc(q.gone, func(id string) bool { return id == device["id"] })
	q.mu.Unlock()
	return q.do("device_add", device)
}

// remove pulls a device out, and waits until it is.
func (q *qmp) remove(ctx context.Context, id string) error {
	if err := q.do("device_del", map[string]any{"id": id}); err != nil {
		return err
	}
	for {
		q.mu.Lock()
		gone, change := slices.Contains(q.gone, id), q.change
		q.mu.Unlock()
		if gone {
			return nil
		}
		select {
		case <-change:
		case <-ctx.Done():
			return fmt.Errorf("qmp: %s is still there: %w", id, ctx.Err())
		}
	}
}

// link cuts or restores the cable of the guest's network card.
func (q *qmp) link(up bool) error {
	return q.do("set_link", map[string]any{"name": "nic", "up": up})
}

// cadence is the time between two reports: QEMU's keyboard has a queue of 16, and
// its guest is slow.
const cadence = 30 * time.Millisecond

// press types keys on the USB keyboard, each down and up again. Names are QEMU's
// qcodes; a leading + holds shift.
func (q *qmp) press(keys ...string) error {
	type event struct {
		Type string `json:"type"`
		Data any    `json:"data"`
	}
	key := func(name string, down bool) event {
		return event{"key", map[string]any{"down": down, "key": map[string]string{"type": "qcode", "data": name}}}
	}
	for _, name := range keys {
		steps := []event{key(name, true), key(name, false)}
		if name[0] == '+' {
			steps = []event{key("shift", true), key(name[1:], true), key(name[1:], false), key("shift", false)}
		}
		for _, step := range steps {
			if err := q.do("input-send-event", map[string]any{"events": []event{step}}); err != nil {
				return err
			}
			time.Sleep(cadence)
		}
	}
	return nil
}
