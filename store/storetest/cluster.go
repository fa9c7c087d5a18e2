//go:build unix

package storetest

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const (
	slots     = 16384
	primaries = 3
)

// Cluster is a Redis Cluster of three primaries with a replica each. It notices
// within a second or two that a primary is gone, and has another a second later.
type Cluster struct {
	Nodes []*Redis // the first primaries, then their replicas in the same order

	t testing.TB
}

// StartCluster runs all six processes until the test ends, and returns when every
// key has a primary and every primary a replica that keeps up. The arguments are for
// all nodes.
func StartCluster(t testing.TB, args ...string) *Cluster {
	t.Helper()
	return startCluster(t, nil, args...)
}

// StartClusterTLS is StartCluster with nodes that speak TLS only, among themselves
// too, and want a certificate of their clients.
func StartClusterTLS(t testing.TB, args ...string) *Cluster {
	t.Helper()
	return startCluster(t, NewCertificates(t), args...)
}

func startCluster(t testing.TB, certificates *Certificates, args ...string) *Cluster {
	t.Helper()
	c := &Cluster{t: t}
	buses := map[*Redis]string{}
	for range 2 * primaries {
		bus := freePort(t)
		node := startRedis(t, certificates, slices.Concat([]string{
			"--cluster-enabled", "yes", "--cluster-port", bus, "--cluster-node-timeout", "1000",
			// A replica may take over however long it has not heard from its primary.
			"--cluster-replica-validity-factor", "0",
		}, args)...)
		c.Nodes = append(c.Nodes, node)
		buses[node] = bus
	}
	for i, node := range c.Nodes { // before they meet
		node.Must("cluster", "set-config-epoch", strconv.Itoa(i+1))
	}
	for i, node := range c.Nodes {
		if i < primaries {
			node.Must("cluster", "addslotsrange",
				strconv.Itoa(i*slots/primaries), strconv.Itoa((i+1)*slots/primaries-1))
		}
		for other, bus := range buses {
			host, port := other.hostPort()
			node.Must("cluster", "meet", host, port, bus)
		}
	}
	until(t, "all nodes know each other", func() bool {
		return !slices.ContainsFunc(c.Nodes, func(r *Redis) bool {
			list := r.text("cluster", "nodes")
			return strings.Count(list, "\n") != len(c.Nodes) || strings.Contains(list, "handshake")
		})
	})
	for i, replica := range c.Nodes[primaries:] {
		replica.Must("cluster", "replicate", c.Nodes[i].id())
	}
	c.WaitUntilWhole()
	return c
}

// WaitUntilWhole waits until each node finds that every key has a primary, and
// every primary has a replica that keeps up.
func (c *Cluster) WaitUntilWhole() {
	c.t.Helper()
	until(c.t, "the cluster is whole", func() bool {
		whole := 0
		for _, node := range c.Nodes {
			if node.info("cluster_state", "cluster", "info") != "ok" {
				return false
			}
			if node.info("role", "info", "replication") == "master" && node.replicas() == 1 {
				whole++
			}
		}
		return whole == primaries
	})
}

// URL returns the addresses of the nodes in the form that [store.NewRedis] reads.
func (c *Cluster) URL() string {
	var addrs []string
	for _, node := range c.Nodes {
		addrs = append(addrs, node.Addr)
	}
	return c.Nodes[0].scheme() + "+cluster://" + strings.Join(addrs, ",")
}

// Certificates returns those that all nodes were started with, or nil.
func (c *Cluster) Certificates() *Certificates { return c.Nodes[0].certificates }

// Primary returns the node that most others take for the primary of key: the name
// that Redis knows it by, prefix and all.
func (c *Cluster) Primary(key string) *Redis {
	c.t.Helper()
	var primary *Redis
	until(c.t, "the nodes name the same primary", func() bool {
		primary = c.primary(key)
		return primary != nil
	})
	return primary
}

// WaitForPrimary waits until another node than old is the primary of key, and
// returns it.
func (c *Cluster) WaitForPrimary(key string, old *Redis) *Redis {
	c.t.Helper()
	var primary *Redis
	until(c.t, "the cluster has another primary for "+key, func() bool {
		primary = c.primary(key)
		return primary != nil && primary != old
	})
	return primary
}

// primary returns what most nodes think, or nil if they do not agree.
func (c *Cluster) primary(key string) *Redis {
	votes := map[string]int{}
	for _, node := range c.Nodes {
		votes[node.primaryOf(key)]++
	}
	i := slices.IndexFunc(c.Nodes, func(r *Redis) bool { return votes[r.Addr] > len(c.Nodes)/2 })
	if i < 0 {
		return nil
	}
	return c.Nodes[i]
}

// primaryOf returns the address of the primary of key as this node knows it.
func (r *Redis) primaryOf(key string) string {
	slot, err := r.Do("cluster", "keyslot", key)
	if err != nil {
		return ""
	}
	answer, _ := r.Do("cluster", "slots")
	ranges, _ := answer.([]any)
	for _, entry := range ranges {
		fields := entry.([]any) // first slot, last slot, primary, replicas
		if fields[0].(int64) <= slot.(int64) && slot.(int64) <= fields[1].(int64) {
			node := fields[2].([]any) // host, port, ID
			return fmt.Sprintf("%s:%d", node[0], node[1])
		}
	}
	return ""
}

// id returns the name that the cluster knows the node by.
func (r *Redis) id() string { return r.Must("cluster", "myid").(string) }
