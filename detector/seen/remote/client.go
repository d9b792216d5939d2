package remote

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// client makes a client of the server. It does not connect yet.
func (c *Config) client() (redis.UniversalClient, error) {
	o := &redis.UniversalOptions{
		Addrs: c.addrs, DB: c.db, MasterName: c.master, IsClusterMode: c.topology == cluster,
		Username: c.username, Password: c.password,
		SentinelUsername: c.sentinelUsername, SentinelPassword: c.sentinelPassword,
		// RESP2 has all that is needed, and every server speaks it.
		Protocol: 2, DisableIdentity: true,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
		// What fails is told at once, so that the circuit opens: trying again
		// is the business of Store.
		MaxRetries: -1, DialerRetries: 1,
		DialTimeout: c.timeout, ReadTimeout: c.timeout, WriteTimeout: c.timeout, PoolTimeout: c.timeout,
		ContextTimeoutEnabled: true,
		PoolSize:              4, PipelinePoolSize: -1,
	}
	if c.tls {
		var err error
		if o.TLSConfig, err = c.tlsConfig(); err != nil {
			return nil, err
		}
	}
	o.Dialer = c.dial(o.TLSConfig)
	return redis.NewUniversalClient(o), nil
}

func (c *Config) tlsConfig() (*tls.Config, error) {
	t := &tls.Config{
		MinVersion: tls.VersionTLS12,
		ServerName: c.serverName, // if "", the client takes the host's
		// Asked for by the user, who is warned in the documentation.
		InsecureSkipVerify: c.skipVerify,
	}
	if c.ca != "" {
		text, err := os.ReadFile(c.ca)
		if err != nil {
			return nil, fmt.Errorf("parameter ca: %w", err)
		}
		t.RootCAs = x509.NewCertPool()
		if !t.RootCAs.AppendCertsFromPEM(text) {
			return nil, fmt.Errorf("parameter ca: %s holds no certificate in PEM form", c.ca)
		}
	}
	if c.cert != "" {
		pair, err := tls.LoadX509KeyPair(c.cert, c.key)
		if err != nil {
			return nil, fmt.Errorf("parameters cert and key: %w", err)
		}
		t.Certificates = []tls.Certificate{pair}
	}
	return t, nil
}

// silence keeps the client library from writing to the host's standard error:
// what matters comes back as an error.
type silence struct{}

func (silence) Printf(context.Context, string, ...any) {}

func init() { redis.SetLogger(silence{}) }
