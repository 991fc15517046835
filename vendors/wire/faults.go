package wire

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"syscall"
	"time"

	"usher/scanner"
)

// cause is a cause in words that are safe to show. What lies behind it serves
// errors.Is alone: net/http quotes URLs and bytes of the answer in its texts.
type cause struct {
	text string
	err  error
}

func (c *cause) Error() string { return c.text }
func (c *cause) Unwrap() error { return c.err }

// Nonsense is the error of an answer that is not the vendor's. The text of why
// must not quote the answer.
func Nonsense(op string, status int, why error) *scanner.CallError {
	return &scanner.CallError{Op: op, Trouble: scanner.Nonsense, MaybeSent: true, Status: status, Err: why}
}

// unreachable is the error of a call that got no connection.
func unreachable(op string, err error) *scanner.CallError {
	err = withoutURL(err)
	return &scanner.CallError{Op: op, Trouble: scanner.Unreachable, Err: &cause{unreachableText(err), err}}
}

func unreachableText(err error) string {
	var (
		dns     *net.DNSError
		wrong   x509.CertificateInvalidError
		unknown x509.UnknownAuthorityError
		name    x509.HostnameError
		record  tls.RecordHeaderError
		opErr   *net.OpError
	)
	switch {
	case errors.Is(err, context.Canceled):
		return "given up before there was a connection"
	case errors.As(err, &dns):
		return "the name " + dns.Name + " is not found: no network, or no name server"
	case errors.As(err, &wrong) && wrong.Reason == x509.Expired:
		return "the certificate is not valid at this device's time: set the clock, or the certificate has run out"
	case errors.As(err, &unknown):
		return "the certificate is of nobody this device trusts: a login page of the network, or the package ca-certificates is missing"
	case errors.As(err, &name):
		return "the certificate is another host's: a login page of the network, or a wrong base_url"
	case errors.As(err, &wrong):
		return "the certificate is not valid"
	case errors.As(err, &record), errors.Is(err, http.ErrSchemeMismatch):
		return "what answers speaks no TLS: a login page of the network, or a wrong base_url"
	case timeout(err):
		return "no connection in time"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "connection refused"
	case errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EHOSTUNREACH):
		return "no route: no network"
	case errors.As(err, &opErr) && opErr.Op == "proxyconnect":
		return "the proxy of the environment (HTTPS_PROXY) does not answer"
	}
	return "no connection"
}

// broken is the error of a call that had a connection and got no whole answer.
func broken(op string, status int, err error) *scanner.CallError {
	err = withoutURL(err)
	call := &scanner.CallError{Op: op, Trouble: scanner.Silent, MaybeSent: true, Status: status}
	text := "the connection broke before a whole answer"
	switch {
	case errors.Is(err, context.Canceled):
		text = "given up before a whole answer"
	case timeout(err):
		text = "no whole answer in time"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		text = "the connection was reset before a whole answer"
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		text = "the answer was cut off"
	case garbled(err):
		call.Trouble, text = scanner.Nonsense, "the answer is no HTTP"
	}
	call.Err = &cause{text, err}
	return call
}

// garbled tells an answer that breaks the rules of HTTP or of its own
// compression.
func garbled(err error) bool {
	var corrupt flate.CorruptInputError
	if errors.Is(err, gzip.ErrHeader) || errors.Is(err, gzip.ErrChecksum) || errors.As(err, &corrupt) {
		return true
	}
	// net/http has no type for these.
	for _, words := range []string{"malformed", "server response headers exceeded", "chunk", "line too long", "trailer", "Content-Length", "transfer encoding"} {
		if strings.Contains(err.Error(), words) {
			return true
		}
	}
	return false
}

func timeout(err error) bool {
	var t interface{ Timeout() bool }
	return errors.Is(err, context.DeadlineExceeded) || errors.As(err, &t) && t.Timeout()
}

// withoutURL takes off what carries the URL, query and all.
func withoutURL(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}

// statusError is the meaning of a status alone; nil: 2xx.
func statusError(op string, resp *http.Response) error {
	status := resp.StatusCode
	call := &scanner.CallError{Op: op, Status: status, RetryAfter: retryAfter(resp)}
	text := strings.TrimSpace(fmt.Sprintf("HTTP %d %s", status, http.StatusText(status)))
	switch {
	case status >= 200 && status < 300:
		return nil
	case status < 400:
		call.Trouble, call.MaybeSent = scanner.Nonsense, true
		text += ": a redirect, perhaps to a login page of the network"
	case status == http.StatusUnauthorized, status == http.StatusForbidden, status == http.StatusPreconditionFailed:
		call.Trouble = scanner.Denied
	case status == http.StatusProxyAuthRequired:
		call.Trouble = scanner.Unreachable
		text += ": the proxy of the environment wants a sign-in"
	case status == http.StatusRequestTimeout:
		call.Trouble, call.MaybeSent = scanner.Silent, true
	case status == http.StatusTooManyRequests:
		call.Trouble = scanner.Throttled
	case status == http.StatusNetworkAuthenticationRequired:
		call.Trouble, call.MaybeSent = scanner.Nonsense, true
		text += ": the network wants a login"
	case status < 500:
		call.Trouble = scanner.Malformed
	default:
		call.Trouble, call.MaybeSent = scanner.Failing, true
	}
	call.Err = errors.New(text)
	return call
}

// mostPatient bounds what a vendor can ask for by Retry-After.
const mostPatient = 24 * time.Hour

// retryAfter reads Retry-After: seconds, or a date, which is compared with the
// answer's own Date since this device's clock may be wrong.
func retryAfter(resp *http.Response) time.Duration {
	text := strings.TrimSpace(resp.Header.Get("Retry-After"))
	if text == "" {
		return 0
	}
	if seconds, err := strconv.ParseInt(text, 10, 64); err == nil {
		if seconds > int64(mostPatient/time.Second) {
			return mostPatient
		}
		return time.Duration(max(seconds, 0)) * time.Second
	}
	at, err := http.ParseTime(text)
	if err != nil {
		return 0
	}
	now, err := http.ParseTime(resp.Header.Get("Date"))
	if err != nil {
		return 0
	}
	return min(max(at.Sub(now), 0), mostPatient)
}

// foreign tells an answer that calls itself something else than JSON, or begins
// as HTML does.
func foreign(resp *http.Response, body []byte) error {
	kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if kind == "text/html" || kind == "application/xhtml+xml" {
		return errHTML
	}
	if bytes.HasPrefix(bytes.TrimLeft(body, " \t\r\n\ufeff"), []byte("<")) {
		return errHTML
	}
	return nil
}

var errHTML = errors.New("a web page instead of an answer: perhaps a login page of the network")
