package acme

// The objects inside a template, with every field that the document names.

// resource is a room, a guide or a thing that an event needs. Template, Category and
// the two times are in the instances alone.
type resource struct {
	Type         *string       `json:"type"`
	TemplateID   id            `json:"resourceTemplateId"`
	ResourceID   id            `json:"resourceId"`
	Quantity     integer       `json:"quantity"`
	Fields       []customField `json:"fields"`
	TemplateName *string       `json:"resourceTemplateName"`
	// Category is people, place or equipment.
	Category *string `json:"resourceCategory"`
	StartsAt moment  `json:"resourceStartTime"`
	EndsAt   moment  `json:"resourceEndTime"`
}

// customField is a name and a value, which may be of any type.
type customField struct {
	Name  *string `json:"name"`
	Value any     `json:"value"`
}

// schedule makes events of a template (Scheduling JSON).
type schedule struct {
	ID          id       `json:"id"`
	Type        *string  `json:"type"`
	StartsAt    moment   `json:"effectiveStartTime"`
	EndsAt      moment   `json:"effectiveEndTime"`
	Name        *string  `json:"name"`
	Description *string  `json:"description"`
	Weekdays    []string `json:"weekdays"`
	Hours       []struct {
		Hour     *string `json:"hour"`
		Quantity integer `json:"quantity"`
	} `json:"hours"`
	Ranges []struct {
		Start *string `json:"start"`
		End   *string `json:"end"`
	} `json:"ranges"`
	Monthly    any       `json:"monthly"`
	DayOfMonth integer   `json:"dayOfMonth"`
	PriceLists []prices  `json:"priceLists"`
	Channels   []channel `json:"salesChannels"`
	Capacity   integer   `json:"capacity"`
	Duration   duration  `json:"duration"`
	// Repeats is never, day, week, month or year.
	Repeats      *string `json:"repeats"`
	Restrictions any     `json:"salesRestrictions"`
	TicketConfig any     `json:"ticketConfig"`
}

// prices is a price list.
type prices struct {
	ID          id      `json:"id"`
	Name        *string `json:"name"`
	Description *string `json:"description"`
	StartsAt    moment  `json:"startTime"`
	Prices      []struct {
		PersonType struct {
			ID          id      `json:"id"`
			Name        *string `json:"name"`
			Description *string `json:"description"`
			Active      flag    `json:"active"`
			Type        *string `json:"type"`
			Order       integer `json:"displayOrder"`
		} `json:"personType"`
		Price      amount    `json:"price"`
		Channels   []channel `json:"salesChannels"`
		Order      integer   `json:"displayOrder"`
		Discounted amount    `json:"discountedPrice"`
		Discount   amount    `json:"discount"`
	} `json:"prices"`
}

// channel is a way to sell, such as online.
type channel struct {
	Name    *string `json:"name"`
	Channel *string `json:"channel"`
	Enabled flag    `json:"enabled"`
}

// image is a picture; Primary is the one that stands for the template.
type image struct {
	ID          id      `json:"id"`
	Description *string `json:"description"`
	Primary     flag    `json:"primary"`
}

// person is told of a purchase.
type person struct {
	Name  *string `json:"name"`
	Email *string `json:"email"`
}

// prerequisites are events that come first (Prerequisite JSON Object, deprecated).
type prerequisites struct {
	// Operation is allOf or anyOf.
	Operation *string       `json:"operation"`
	Requires  []requirement `json:"requires"`
}

// requirement is a template that comes before or after this one, and how much time
// may lie between.
type requirement struct {
	Template id       `json:"eventTemplateId"`
	Name     *string  `json:"name"`
	Min      duration `json:"min"`
	Max      duration `json:"max"`
}

// recommendations are templates to come next (Recommendations JSON Object).
type recommendations struct {
	All []requirement `json:"recommendations"`
}

// addOns are what is sold beside a ticket (AddOn List JSON Object).
type addOns struct {
	IDs   []id        `json:"inventoryIds"`
	Items []inventory `json:"inventoryAddOns"`
}

// inventory is one of them.
type inventory struct {
	ID          id       `json:"id"`
	Name        *string  `json:"name"`
	Description *string  `json:"description"`
	SKU         *string  `json:"sku"`
	Price       amount   `json:"price"`
	Quantity    withheld `json:"quantity"`
	// Type is doNotTrack, consumable or resource.
	Type     *string   `json:"type"`
	Order    integer   `json:"displayOrder"`
	Created  moment    `json:"createdOn"`
	Updated  moment    `json:"updatedOn"`
	Channels []channel `json:"salesChannels"`
}

// membership says who may buy and at what discount.
type membership struct {
	Restrictions []category `json:"restrictions"`
	Discounts    []struct {
		Category category `json:"category"`
		Discount struct {
			ID          id      `json:"id"`
			Code        *string `json:"code"`
			Name        *string `json:"name"`
			Description *string `json:"description"`
			Values      []struct {
				PersonTypeID id      `json:"personTypeId"`
				PersonType   *string `json:"personType"`
				DiscountType *string `json:"discountType"`
				Value        amount  `json:"value"`
				Tag          *string `json:"tag"`
			} `json:"values"`
		} `json:"discount"`
		MaxTickets integer `json:"maxTickets"`
	} `json:"discounts"`
}

// category is a category of memberships.
type category struct {
	ID          id      `json:"id"`
	Name        *string `json:"name"`
	Description *string `json:"description"`
	Default     level   `json:"defaultType"`
	Types       []level `json:"types"`
}

// level is a membership type.
type level struct {
	ID          id      `json:"id"`
	Program     *string `json:"program"`
	Category    *string `json:"category"`
	Subcategory *string `json:"subcategory"`
	Level       *string `json:"level"`
}

// entitlements are the rules of tickets that a membership gives; the document names
// no field of them.
type entitlements map[string]any
