package store_test

import (
	"context"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/doorward/doorward/store"
	"github.com/doorward/doorward/store/storetest"
)

func BenchmarkEmbedded(b *testing.B) {
	benchmark(b, openEmbedded(b, filepath.Join(b.TempDir(), "store.db"), nil))
}

func BenchmarkRedis(b *testing.B) {
	server := storetest.StartRedis(b)
	benchmark(b, openRedis(b, store.RedisOptions{URL: server.URL()}))
}

func BenchmarkRedisConfirmed(b *testing.B) {
	server := storetest.StartRedis(b)
	storetest.StartReplica(b, server)
	benchmark(b, openRedis(b, store.RedisOptions{URL: server.URL(), Replicas: 1}))
}

func BenchmarkRedisCluster(b *testing.B) {
	benchmark(b, openRedis(b, store.RedisOptions{URL: storetest.StartCluster(b).URL()}))
}

// benchmark measures a store with values of the size of a session record.
func benchmark(b *testing.B, s store.Store) {
	ctx := context.Background()
	value := make([]byte, 512)
	put := func(b *testing.B, key string) {
		if err := s.Put(ctx, key, value, time.Hour); err != nil {
			b.Fatal(err)
		}
	}
	b.Run("Get", func(b *testing.B) {
		put(b, "key")
		for b.Loop() {
			if _, err := s.Get(ctx, "key"); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("Get/parallel", func(b *testing.B) {
		put(b, "key")
		b.RunParallel(func(p *testing.PB) {
			for p.Next() {
				if _, err := s.Get(ctx, "key"); err != nil {
					b.Error(err)
				}
			}
		})
	})
	b.Run("Put", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			put(b, strconv.Itoa(i%1000))
		}
	})
	b.Run("Put and Take", func(b *testing.B) {
		for b.Loop() {
			put(b, "key")
			if _, err := s.Take(ctx, "key"); err != nil {
				b.Fatal(err)
			}
		}
	})
}
