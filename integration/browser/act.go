package browser

import (
	"encoding/base64"
	"fmt"

	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// Visits opens a page of the site, as by typing its address.
func (v *Visitor) Visits(path string) {
	v.t.Helper()
	v.wire.forget()
	v.do(chromedp.Navigate(v.base + path))
}

// Reads opens a document of its own, such as a letter.
func (v *Visitor) Reads(html string) {
	v.t.Helper()
	v.do(chromedp.Navigate("data:text/html;charset=utf-8;base64," + base64.StdEncoding.EncodeToString([]byte(html))))
}

// GoesBack presses the browser's back button.
func (v *Visitor) GoesBack() {
	v.t.Helper()
	v.do(chromedp.NavigateBack())
}

// Clicks on the button or link that reads name.
func (v *Visitor) Clicks(name string) {
	v.t.Helper()
	v.clickOn(name, fmt.Sprintf(`named(document, %s)`, quote(name)))
}

// ClicksIn is Clicks in the item of a list that is headed so.
func (v *Visitor) ClicksIn(item, name string) {
	v.t.Helper()
	v.clickOn(name, fmt.Sprintf(`[...document.querySelectorAll("li")]
		.filter((li) => li.querySelector("h3") && words(li.querySelector("h3")) === %s)
		.flatMap((li) => named(li, %s))`, quote(item), quote(name)))
}

// ClicksOn clicks on the only thing in sight that a CSS selector finds.
func (v *Visitor) ClicksOn(selector string) {
	v.t.Helper()
	v.clickOn(selector, fmt.Sprintf(`[...document.querySelectorAll(%s)]`, quote(selector)))
}

// eyes has what it takes to find things by what they read. Words that are there
// for screen readers only do not count.
const eyes = `
	const words = (e) => {
		const seen = e.cloneNode(true);
		seen.querySelectorAll(".unseen").forEach((e) => e.remove());
		return seen.textContent.replace(/\s+/g, " ").trim();
	};
	const named = (within, name) =>
		[...within.querySelectorAll("button, a, summary")].filter((e) => words(e) === name);`

// point is where a mouse may be. The zero point is nowhere.
type point struct{ X, Y float64 }

// clickOn waits until exactly one of the elements is visible, and not covered by
// another, on a page that has settled. Then it presses the mouse button there.
func (v *Visitor) clickOn(what, elements string) {
	v.t.Helper()
	var at point
	var err error
	if !until(func() bool {
		at, err = try[point](v, `(() => {
			`+eyes+`
			const found = `+elements+`.filter((e) => e.checkVisibility());
			if (document.readyState !== "complete" || found.length !== 1) return {};
			found[0].scrollIntoView({ block: "center", behavior: "instant" });
			const box = found[0].getBoundingClientRect();
			const at = { X: box.x + box.width / 2, Y: box.y + box.height / 2 };
			return found[0].contains(document.elementFromPoint(at.X, at.Y)) ? at : {};
		})()`)
		return err == nil && at != point{}
	}) {
		v.t.Fatalf("cannot click on %q: want it on the page once, in sight (%v)", what, err)
	}
	v.do(chromedp.MouseClickXY(at.X, at.Y))
}

// Types clicks into the field with a label and types, in place of what is there.
func (v *Visitor) Types(label, text string) {
	v.t.Helper()
	v.clickOn(label, fmt.Sprintf(`[...document.querySelectorAll("label")].filter((e) => words(e) === %s).map((e) => e.control)`, quote(label)))
	v.types(text)
}

// TypesInto is Types for the field that a CSS selector finds.
func (v *Visitor) TypesInto(selector, text string) {
	v.t.Helper()
	v.ClicksOn(selector)
	v.types(text)
}

func (v *Visitor) types(text string) {
	v.t.Helper()
	v.do(chromedp.KeyEvent("a", chromedp.KeyModifiers(kb.ModifierCtrl)), chromedp.KeyEvent(text))
}

// Pastes text, wherever the focus is.
func (v *Visitor) Pastes(text string) {
	v.t.Helper()
	call(v, input.InsertText, input.InsertTextParams{Text: text})
}

// Presses keys, wherever the focus is once the page has settled. [kb] names those
// that are no letters.
func (v *Visitor) Presses(keys string) {
	v.t.Helper()
	v.Finds(`document.readyState`, "complete")
	v.do(chromedp.KeyEvent(keys))
}
