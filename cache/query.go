package cache

import (
	"regexp"
	"slices"
	"strings"

	"usher/scanner"
)

// query is what a person looks for: every term must be met.
type query []term

// term is a word, or a place: "a12", "a-12" and "a 12" are all row (or section)
// a, seat 12.
type term struct {
	// spellings are the texts of which one must occur.
	spellings []string
	// row and seat are a place's; empty: a word.
	row, seat string
}

var (
	placeWord = regexp.MustCompile(`^(\pL{1,2})[-./]?([0-9]+)$`)
	rowWord   = regexp.MustCompile(`^\pL{1,2}[-./]?$`)
	// runs are a text's letters and numbers without what stands between.
	runs = regexp.MustCompile(`\pL+|[0-9]+`)
)

func parseQuery(text string) query {
	var q query
	words := strings.Fields(fold(text))
	for i := 0; i < len(words); i++ {
		word := words[i]
		if rowWord.MatchString(word) && i+1 < len(words) && placeWord.MatchString(word+words[i+1]) {
			i++
			word += words[i]
		}
		if place := placeWord.FindStringSubmatch(word); place != nil {
			row, seat := place[1], place[2]
			q = append(q, term{[]string{row + seat, row + "-" + seat}, row, number(seat)})
		} else {
			q = append(q, term{spellings: []string{word}})
		}
	}
	return q
}

func (q query) matches(t *scanner.Ticket) bool {
	text := fold(t.Name + "\n" + t.Order + "\n" + t.Section + " " + t.Seat)
	for _, term := range q {
		spelt := func(s string) bool { return strings.Contains(text, s) }
		if !slices.ContainsFunc(term.spellings, spelt) && !term.placed(t) {
			return false
		}
	}
	return true
}

// placed tells whether the ticket's place has the term's row and, somewhere after
// it, its seat.
func (t *term) placed(ticket *scanner.Ticket) bool {
	if t.row == "" {
		return false
	}
	parts := runs.FindAllString(fold(ticket.Section+" "+ticket.Seat), -1)
	row := slices.Index(parts, t.row)
	return row >= 0 && slices.ContainsFunc(parts[row+1:], func(part string) bool { return number(part) == t.seat })
}

// number is a number without the zeros in front; other texts stay.
func number(s string) string {
	if short := strings.TrimLeft(s, "0"); short != "" {
		return short
	}
	return s
}

// hits are the first tickets of an order, sorted and no more than limit.
type hits struct {
	limit int
	list  []hit
}

type hit struct {
	key    string
	ticket scanner.Ticket
}

func (h *hits) add(t scanner.Ticket) {
	key := sortKey(&t)
	at, _ := slices.BinarySearchFunc(h.list, key, func(x hit, key string) int { return strings.Compare(x.key, key) })
	if at == h.limit {
		return
	}
	if len(h.list) == h.limit {
		h.list = h.list[:h.limit-1]
	}
	h.list = slices.Insert(h.list, at, hit{key, t})
}

func (h *hits) tickets() []scanner.Ticket {
	var all []scanner.Ticket
	for _, x := range h.list {
		all = append(all, x.ticket)
	}
	return all
}

// sortKey puts tickets into the order of name, section and seat; seat 9 comes
// before seat 10.
func sortKey(t *scanner.Ticket) string {
	const widest = 12
	var b strings.Builder
	for _, text := range []string{t.Name, t.Section, t.Seat, string(t.Code)} {
		text = fold(text)
		from := 0
		for _, run := range digits.FindAllStringIndex(text, -1) {
			b.WriteString(text[from:run[0]])
			b.WriteString(strings.Repeat("0", max(0, widest-(run[1]-run[0]))))
			from = run[0]
		}
		b.WriteString(text[from:])
		b.WriteByte(0)
	}
	return b.String()
}

var digits = regexp.MustCompile(`[0-9]+`)
