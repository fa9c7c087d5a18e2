// Package directorytest runs real PostgreSQL servers for tests, and lets them
// fail as real ones do: crash, hang, lose connections, run out of disk. It takes
// a Unix and the programs of PostgreSQL 13 or later.
package directorytest
