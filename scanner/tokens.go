package scanner

import "context"

// AdmissionToken lets one device admit to some sections of an event.
type AdmissionToken struct {
	// ID is the vendor's own, Code what is given to the device: a secret.
	ID, Code string
	// Global: it is the event's own and admits to all sections.
	Global   bool
	Sections []Section
}

// TokenIssuer makes and shows a vendor's admission tokens, for an installer.
type TokenIssuer interface {
	// IssueToken makes one for the sections, each by its id or its exact name.
	IssueToken(ctx context.Context, sections []string) (AdmissionToken, error)
	// Tokens gives all of the configured event, the global one first.
	Tokens(ctx context.Context) ([]AdmissionToken, error)
	// Token gives one by its id. Errors: ErrUnknown.
	Token(ctx context.Context, id string) (AdmissionToken, error)
}
