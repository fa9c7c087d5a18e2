package browser

import (
	"fmt"
	"strings"

	"github.com/chromedp/chromedp"
)

// An Element is a custom element whose inside, a shadow tree, the queries of the
// document around it do not reach.
type Element struct {
	v    *Visitor
	host string
}

// Inside returns the only element of the page with a tag name, which has to have
// an open shadow tree.
func (v *Visitor) Inside(tag string) *Element { return &Element{v, tag} }

// Clicks on the button or link in the element that reads name.
func (e *Element) Clicks(name string) {
	e.v.t.Helper()
	e.clickOn(name, fmt.Sprintf(`[...root.querySelectorAll("button, a")].filter((e) => words(e) === %s)`, quote(name)))
}

// Opens the section in the element whose label begins so, by a click on the
// label, unless it is open already.
func (e *Element) Opens(label string) {
	e.v.t.Helper()
	labels := fmt.Sprintf(`[...root.querySelectorAll("label")].filter((e) => words(e).startsWith(%s))`, quote(label))
	open, _ := try[bool](e.v, `(() => {
		`+eyes+`
		const root = document.querySelector(`+quote(e.host)+`).shadowRoot;
		return `+labels+`.some((e) => e.control.checked);
	})()`)
	if !open {
		e.clickOn(label, labels)
	}
}

// Ticks the only box in the element.
func (e *Element) Ticks() {
	e.v.t.Helper()
	e.clickOn("the box", `[...root.querySelectorAll("input[type=checkbox]")]`)
}

// TypesInto clicks into the field of the element that a CSS selector finds, and
// types in place of what is there.
func (e *Element) TypesInto(selector, text string) {
	e.v.t.Helper()
	e.clickOn(selector, fmt.Sprintf(`[...root.querySelectorAll(%s)]`, quote(selector)))
	e.v.types(text)
}

// Sees waits until words stand in the element.
func (e *Element) Sees(words string) {
	e.v.t.Helper()
	var got string
	if !until(func() bool {
		got = e.Reads()
		return strings.Contains(got, words)
	}) {
		e.v.t.Fatalf("got a <%s> that reads %q, want %q in it", e.host, got, words)
	}
}

// Loses waits until words stand in the element no more.
func (e *Element) Loses(words string) {
	e.v.t.Helper()
	var got string
	if !until(func() bool {
		got = e.Reads()
		return got != "" && !strings.Contains(got, words)
	}) {
		e.v.t.Fatalf("got a <%s> that reads %q, want no %q in it", e.host, got, words)
	}
}

// Reads returns what a person can read in the element, or nothing while it is not
// there.
func (e *Element) Reads() string {
	got, _ := try[string](e.v, fmt.Sprintf(`[...(document.querySelector(%s)?.shadowRoot?.children ?? [])]
		.map((e) => e.innerText).join(" ").replace(/\s+/g, " ").trim()`, quote(e.host)))
	return got
}

// clickOn waits until exactly one of the elements that an expression finds below
// root is in sight, neither covered nor folded away, and has stopped moving.
func (e *Element) clickOn(what, elements string) {
	e.v.t.Helper()
	var before, at point
	var err error
	if !until(func() bool {
		before = at
		at, err = try[point](e.v, `(() => {
			`+eyes+`
			const root = document.querySelector(`+quote(e.host)+`)?.shadowRoot;
			if (!root) return {};
			const folded = (e) => e && e.clientHeight === 0 && getComputedStyle(e).overflowY === "hidden" || e && folded(e.parentElement);
			const found = `+elements+`.filter((e) => e.checkVisibility() && !e.disabled && !folded(e.parentElement));
			if (document.readyState !== "complete" || found.length !== 1) return {};
			found[0].scrollIntoView({ block: "center", behavior: "instant" });
			const box = found[0].getBoundingClientRect();
			const at = { X: box.x + box.width / 2, Y: box.y + box.height / 2 };
			return found[0].contains(root.elementFromPoint(at.X, at.Y)) ? at : {};
		})()`)
		return err == nil && at != point{} && at == before
	}) {
		e.v.t.Fatalf("cannot click on %q in <%s>, which reads %q: want it there once, in sight (%v)", what, e.host, e.Reads(), err)
	}
	e.v.do(chromedp.MouseClickXY(at.X, at.Y))
}
