package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// machine is the running QEMU. Its sockets and logs are in dir.
type machine struct {
	dir string
	qmp *qmp
	// agent leads to the guest's virtio-serial port, scanner to the far end of the
	// FTDI scanner's cable.
	agent, scanner net.Conn

	cmd   *exec.Cmd
	ended chan struct{}
}

// socketDeadline bounds how long QEMU takes until its sockets are there.
const socketDeadline = 10 * time.Second

// startMachine boots the image with the payload as its second disk. It is emulated
// in software: KVM that is there need not work, and hangs where it does not.
func startMachine(ctx context.Context, dir, image, payload string) (*machine, error) {
	console, err := os.Create(filepath.Join(dir, "qemu.log"))
	if err != nil {
		return nil, err
	}
	defer console.Close()
	m := &machine{dir: dir, ended: make(chan struct{})}
	socket := func(name string) string { return filepath.Join(dir, name+".sock") + ",server=on,wait=off" }
	m.cmd = exec.Command("qemu-system-x86_64",
		"-accel", "tcg,thread=multi,tb-size=512", "-cpu", "qemu64", "-M", "q35", "-m", "512", "-smp", "2",
		"-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
		"-kernel", filepath.Join(image, "vmlinuz"), "-initrd", filepath.Join(image, "initrd.img"),
		"-append", "console=ttyS0 net.ifnames=0 mitigations=off panic=-1 quiet systemd.show_status=0",
		// Nothing is ever written to the image: all goes to a file without a name.
		"-drive", "file="+filepath.Join(image, "root.img")+",format=raw,snapshot=on,cache=unsafe,if=none,id=root",
		"-device", "virtio-blk-pci,drive=root,serial=root,addr=0x2",
		"-drive", "file="+payload+",format=raw,readonly=on,if=none,id=payload",
		"-device", "virtio-blk-pci,drive=payload,serial=payload,addr=0x3",
		"-chardev", "file,id=console,path="+filepath.Join(dir, "console.log"), "-serial", "chardev:console",
		"-qmp", "unix:"+socket("qmp"),
		"-device", "virtio-serial-pci", "-chardev", "socket,id=agent,path="+socket("agent"), "-device", "virtserialport,chardev=agent,name=agent",
		"-device", "virtio-rng-pci",
		"-netdev", "user,id=net", "-device", "virtio-net-pci,netdev=net,id=nic,romfile=",
		"-device", "qemu-xhci,id=xhci", "-chardev", "socket,id=scanner,path="+socket("scanner"),
	)
	m.cmd.Stdout, m.cmd.Stderr = console, console
	// Also a test that is killed leaves no machine behind.
	m.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := m.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		_ = m.cmd.Wait() // whoever waits for something else sees that it is gone
		close(m.ended)
	}()
	if err := m.connect(ctx); err != nil {
		return nil, errors.Join(err, m.close())
	}
	return m, nil
}

func (m *machine) connect(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, socketDeadline)
	defer cancel()
	dial := func(name string) (net.Conn, error) {
		for {
			conn, err := net.Dial("unix", filepath.Join(m.dir, name+".sock"))
			if err == nil {
				return conn, nil
			}
			select {
			case <-ctx.Done():
				return nil, fmt.Errorf("qemu: %w: %s", err, m.said())
			case <-m.ended:
				return nil, fmt.Errorf("qemu ended at once: %s", m.said())
			case <-time.After(10 * time.Millisecond):
			}
		}
	}
	control, err := dial("qmp")
	if err != nil {
		return err
	}
	if m.qmp, err = newQMP(control); err != nil {
		return err
	}
	if m.agent, err = dial("agent"); err != nil {
		return err
	}
	m.scanner, err = dial("scanner")
	return err
}

func (m *machine) said() string {
	text, _ := os.ReadFile(filepath.Join(m.dir, "qemu.log")) // nothing is as good
	return strings.TrimSpace(string(text))
}

// close ends it as a pulled plug does.
func (m *machine) close() error {
	err := m.cmd.Process.Kill()
	if errors.Is(err, os.ErrProcessDone) {
		err = nil
	}
	<-m.ended
	for _, conn := range []net.Conn{m.agent, m.scanner} {
		if conn != nil {
			_ = conn.Close() // the other end is gone
		}
	}
	return err
}
