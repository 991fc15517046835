package report

import (
	"fmt"
	"time"
)

// The bounds of the silence that ends a code.
const (
	minIdle = 20 * time.Millisecond
	maxIdle = 2 * time.Second
)

// CheckIdle checks a configured silence.
func CheckIdle(idle time.Duration) error {
	if idle < minIdle || idle > maxIdle {
		return fmt.Errorf("idle: %v is not between %v and %v", idle, minIdle, maxIdle)
	}
	return nil
}
