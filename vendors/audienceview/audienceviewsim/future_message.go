package audienceviewsim

// The answers of the Future Events API, in the document's order.

type futureMessages struct {
	Errors   []string `json:"errors"`
	Warnings []string `json:"warnings"`
	Infos    []string `json:"infoMessages"`
	All      []string `json:"allMessages"`
}

type futureHead struct {
	Messages   futureMessages `json:"serviceMessages"`
	Department *int64         `json:"departmentId"`
	Client     int64          `json:"clientId"`
	Name       string         `json:"clientName"`
	Active     bool           `json:"clientActive"`
	Errors     []string       `json:"errors"`
	Warnings   []string       `json:"warnings"`
}

type entryTime struct {
	ID        int64  `json:"performanceEntryTimeId"`
	Time      string `json:"entryTime"`
	Formatted string `json:"entryTimeFormatted"`
	Hour      string `json:"entryTimeHour"`
	Minute    string `json:"entryTimeMinute"`
	SoldOut   bool   `json:"displaySoldOut"`
}

type performance struct {
	ID             int64       `json:"performanceId"`
	Start          int64       `json:"performanceStart"`
	Date           string      `json:"performanceDate"`
	Time           string      `json:"performanceTime"`
	Time24         string      `json:"performanceTime24"`
	StartDate      string      `json:"performanceStartDate"`
	SuperTitle     string      `json:"performanceSuperTitle"`
	SubTitle       string      `json:"performanceSubTitle"`
	Notes          string      `json:"performanceNotes"`
	Availability   string      `json:"availabilityCode"`
	Display        string      `json:"displayCode"`
	Production     int64       `json:"productionId"`
	ProductionName string      `json:"productionName"`
	Available      bool        `json:"hasAvailableTickets"`
	Remaining      int         `json:"tixRemaining"`
	Message        string      `json:"customMessage"`
	None           *string     `json:"noRemainingTicketsMessage"`
	Shutoff        float64     `json:"shutoffHour"`
	ShutoffMessage *string     `json:"shutoffHourMessage"`
	General        bool        `json:"generalAdmission"`
	AllDay         bool        `json:"allDayEvent"`
	OpenDate       *string     `json:"doorEntryStartDate"`
	OpenTime       *string     `json:"doorEntryStartTime"`
	CloseDate      *string     `json:"doorEntryEndDate"`
	CloseTime      *string     `json:"doorEntryEndTime"`
	Logo           string      `json:"productionLogoLink"`
	Description    string      `json:"productionDescription"`
	Department     *int64      `json:"departmentId"`
	DepartmentName *string     `json:"departmentName"`
	Entries        []entryTime `json:"performanceEntryTimes"`
}

type venueAddress struct {
	City         string `json:"city"`
	Country      string `json:"country"`
	CountryShort string `json:"countryAbbreviation"`
	Line1        string `json:"line1"`
	Line2        string `json:"line2"`
	State        string `json:"state"`
	StateShort   string `json:"stateAbbreviation"`
	ZIP          string `json:"zipcode"`
}

type venue struct {
	Name     string       `json:"name"`
	Location string       `json:"location"`
	Phone    string       `json:"venuePhone"`
	Transit  string       `json:"transitInfo"`
	Address  venueAddress `json:"venueAddress"`
}

type series struct {
	ID             int64   `json:"productionId"`
	Name           string  `json:"productionName"`
	Status         string  `json:"productionStatus"`
	Style          int     `json:"productionStyle"`
	Venue          *venue  `json:"productionVenue"`
	Available      bool    `json:"hasAvailableTickets"`
	None           string  `json:"noRemainingMessage"`
	Shutoff        float64 `json:"shutoffHour"`
	ShutoffMessage string  `json:"shutoffHourMessage"`
	SuperTitle     string  `json:"seriesSuperTitle"`
	SubTitle       string  `json:"seriesSubTitle"`
	Alert          string  `json:"purchaseAlert"`
	Description    string  `json:"productionDescription"`
	LogoFile       *int64  `json:"productionLogoClientFileId"`
	Logo           string  `json:"productionLogoLink"`
	LogoName       *string `json:"productionLogoAltName"`
	First          int64   `json:"firstPerformanceDate"`
	Last           int64   `json:"lastPerformanceDate"`
	Only           *int64  `json:"performanceIdIfOnlyOneEventAvailable"`
	ShowLink       bool    `json:"showLinkToBuyTickets"`
	Department     *int64  `json:"departmentId"`
	DepartmentName *string `json:"departmentName"`
}
