package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
)

// byFlag gives a command --by, whose default is who called sudo, or the user.
func byFlag(cmd *cobra.Command, by *string) {
	name := os.Getenv("SUDO_USER")
	if name == "" {
		name = os.Getenv("USER")
	}
	cmd.Flags().StringVar(by, "by", name, "who decides this; kept with the scan")
}

// person is the name given, asked for where there is none.
func (a *app) person(by string) (string, error) {
	if by = strings.TrimSpace(by); by != "" {
		return by, nil
	}
	if isTerminal(a.stdin) {
		fmt.Fprint(a.stderr, "Your name: ")
		line, err := bufio.NewReader(a.stdin).ReadString('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return "", err
		}
		if by = strings.TrimSpace(line); by != "" {
			return by, nil
		}
	}
	return "", usageError("say who decides this: --by NAME")
}
