// Makes vectors.json in the current directory: tokens of golang-jwt, the library of JWTs that most
// programs in Go use, with fresh keys that are thrown away. Run it here: go run .
package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"os"

	"github.com/golang-jwt/jwt/v5"
)

const (
	now    = 1750000000
	secret = "a secret of these vectors, which is long enough for SHA-512: 64 bytes"
)

type vector struct {
	Case     string `json:"case"`
	Expected string `json:"expected"`
	Token    string `json:"token"`
}

// must ends the program: nothing here may fail.
func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

func key(name string) crypto.Signer {
	switch name {
	case "EdDSA":
		_, private, err := ed25519.GenerateKey(rand.Reader)
		return must(private, err)
	case "ES256":
		return must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	case "ES384":
		return must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader))
	default:
		return must(rsa.GenerateKey(rand.Reader, 2048))
	}
}

func token(method jwt.SigningMethod, key any, change func(jwt.MapClaims)) string {
	claims := jwt.MapClaims{
		"iss": "https://id.example.com", "aud": []string{"im", "shop"}, "sub": "7",
		"iat": now - 60, "exp": now + 3600, "typ": "im_user", "dev": "im_web", "app_id": "shop",
	}
	change(claims)
	made := jwt.NewWithClaims(method, claims)
	made.Header["kid"] = method.Alg()
	return must(made.SignedString(key))
}

func main() {
	methods := []jwt.SigningMethod{
		jwt.SigningMethodEdDSA, jwt.SigningMethodES256, jwt.SigningMethodES384,
		jwt.SigningMethodPS256, jwt.SigningMethodPS384, jwt.SigningMethodPS512,
		jwt.SigningMethodRS256, jwt.SigningMethodRS384, jwt.SigningMethodRS512,
		jwt.SigningMethodHS256, jwt.SigningMethodHS384, jwt.SigningMethodHS512,
	}
	public := map[string]string{}
	var cases []vector
	for _, method := range methods {
		name := method.Alg()
		var ours, other any = []byte(secret), []byte(secret + "!")
		if name[:2] != "HS" {
			private := key(name)
			ours, other = private, key(name)
			der := must(x509.MarshalPKIXPublicKey(private.Public()))
			public[name] = string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
		}
		same := func(jwt.MapClaims) {}
		ended := func(claims jwt.MapClaims) { claims["exp"] = now - 1 }
		early := func(claims jwt.MapClaims) { claims["nbf"] = now + 3000 }
		cases = append(cases,
			vector{name, "ok", token(method, ours, same)},
			vector{name + ", another key", "bad_signature", token(method, other, same)},
			vector{name + ", ended", "expired", token(method, ours, ended)},
			vector{name + ", too early", "not_yet_valid", token(method, ours, early)},
		)
	}
	out := map[string]any{
		"about": "made by main.go with golang-jwt; judged at `now`",
		"now":   now, "secret": secret, "public_keys": public, "cases": cases,
	}
	text := must(json.MarshalIndent(out, "", " "))
	if err := os.WriteFile("vectors.json", append(text, '\n'), 0o644); err != nil {
		panic(err)
	}
}
