package main

import (
	"os/user"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A check that stayed root would run itself again, without end.
func TestTheServicesUserIsTakenWhole(t *testing.T) {
	for name, tt := range map[string]struct {
		user   user.User
		groups []string
		want   *syscall.Credential
	}{
		"user and group of one number": {user.User{Uid: "997", Gid: "997"}, []string{"997", "20"}, &syscall.Credential{Uid: 997, Gid: 997, Groups: []uint32{997, 20}}},
		"of two":                       {user.User{Uid: "997", Gid: "996"}, []string{"996"}, &syscall.Credential{Uid: 997, Gid: 996, Groups: []uint32{996}}},
		"no numbers":                   {user.User{Uid: "S-1-5", Gid: "996"}, nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			// Maps have an order of their own at each time.
			for range 20 {
				got, err := credential(&tt.user, tt.groups)
				if diff := cmp.Diff(tt.want, got); diff != "" || (err == nil) != (tt.want != nil) {
					t.Fatalf("%v\n%s", err, diff)
				}
			}
		})
	}
}
