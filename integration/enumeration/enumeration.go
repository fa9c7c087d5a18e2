// Package enumeration asks a real gateway, as a stranger does, who has an account
// there: by what it answers, byte for byte, by what it makes its servers do, and by
// how long it takes. Account lookup is off, as by default.
//
// The tests hold that people who differ only in whether they have an account, and in
// what may be done with it, cannot be told apart. The comparison itself is tested
// with account lookup on, where they can.
//
// The figures of docs/security.md come from the benchmark: see BenchmarkTelling.
package enumeration
