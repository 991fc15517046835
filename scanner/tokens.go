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
	// Tokens gives those of the configured event, the global one first. global, where
	// it is not nil, gives that one alone, or all but that.
	Tokens(ctx context.Context, global *bool) ([]AdmissionToken, error)
	// Token gives one by its id. Errors: ErrUnknown.
	Token(ctx context.Context, id string) (AdmissionToken, error)
}
