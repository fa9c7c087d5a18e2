package store

import (
	"context"
	"fmt"
	"log/slog"
	"sync"

	"github.com/redis/go-redis/v9"
)

// quieten has the client's own log, which writes lines to standard error that no
// log parser knows, go to slog at level debug. What is in it, the errors of the
// operations say too.
var quieten = sync.OnceFunc(func() { redis.SetLogger(clientLog{}) })

type clientLog struct{}

// Printf implements the client's interface of a log.
func (clientLog) Printf(ctx context.Context, format string, v ...any) {
	if slog.Default().Enabled(ctx, slog.LevelDebug) {
		slog.DebugContext(ctx, fmt.Sprintf(format, v...))
	}
}
