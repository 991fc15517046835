package acme

// Template is an event template as a venue sets it up, and events are made of it
// (Event Template Object). The slim list has it without admission, duration,
// capacity, resources, review state, ledger code, ticket details, notifications and
// custom fields.
type Template struct {
	ID id `json:"id"`
	// Type is Standard or Private, Admission generalAdmission or standard, Review Draft
	// or Published.
	Type             *string    `json:"type"`
	Admission        *string    `json:"admissionType"`
	Name             *string    `json:"name"`
	Description      *string    `json:"description"`
	ShortDescription *string    `json:"shortDescription"`
	StartsAt         moment     `json:"startTime"`
	EndsAt           moment     `json:"endTime"`
	Duration         duration   `json:"duration"`
	Capacity         withheld   `json:"capacity"`
	Confirmation     *string    `json:"emailConfirmationMessage"`
	Resources        []resource `json:"resources"`
	Schedules        []schedule `json:"schedules"`
	PriceLists       []prices   `json:"priceLists"`
	Images           []image    `json:"images"`
	// Prerequisites are deprecated.
	Prerequisites   prerequisites   `json:"prerequisites"`
	Recommendations recommendations `json:"recommendations"`
	Review          *string         `json:"reviewState"`
	Ledger          *string         `json:"GLCode"`
	AddOns          addOns          `json:"addOns"`
	Details         ticketDetails   `json:"ticketDetails"`
	Notify          []person        `json:"emailNotify"`
	Membership      membership      `json:"membership"`
	Sold            withheld        `json:"soldQuantity"`
	// Stars is the sum of all ratings, Ratings how many there were.
	Stars        integer       `json:"stars"`
	Ratings      integer       `json:"ratings"`
	Available    flag          `json:"available"`
	CustomFields []customField `json:"customFields"`
	Entitlements *entitlements `json:"entitlementConfiguration"`
}

func (t *Template) lacks() string {
	if t.ID == "" {
		return "the template's id"
	}
	return ""
}

// duration is how long an event takes. The document has "hour" and "minutes" of an
// event, and "minutes", "hours" and "days" of what lies between two.
type duration struct {
	Hour    integer `json:"hour"`
	Hours   integer `json:"hours"`
	Minutes integer `json:"minutes"`
	Days    integer `json:"days"`
	// EndOfDay extends it to the end of its last day.
	EndOfDay flag `json:"endOfDay"`
}
