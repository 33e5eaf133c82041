// Makes vectors.json: tokens as OpenIM issues them, with the library and the claims that it uses.
//
//	go run . >vectors.json
package main

import (
	"encoding/json"
	"os"
	"time"

	"github.com/golang-jwt/jwt/v4"
)

const secret = "a test secret of 37 bytes, not a real"

// As OpenIM's tokenverify has them.
type claims struct {
	UserID     string
	PlatformID int
	jwt.RegisteredClaims
}

func of(user string, platform int, issued, expires time.Time) claims {
	return claims{user, platform, jwt.RegisteredClaims{
		ExpiresAt: jwt.NewNumericDate(expires),
		IssuedAt:  jwt.NewNumericDate(issued),
		NotBefore: jwt.NewNumericDate(issued),
	}}
}

func sign(method jwt.SigningMethod, claims jwt.Claims, key any) string {
	token, err := jwt.NewWithClaims(method, claims).SignedString(key)
	if err != nil {
		panic(err)
	}
	return token
}

func main() {
	issued := time.Unix(1_750_000_000, 0)
	far := time.Unix(4_102_444_800, 0)
	key := []byte(secret)
	hs256 := func(claims jwt.Claims) string { return sign(jwt.SigningMethodHS256, claims, key) }
	good := of("9003591174", 1, issued, far)
	forever := good
	forever.ExpiresAt = nil
	vectors := map[string]any{
		"about":  "made by generate.go; what holds does so until 2100-01-01",
		"secret": secret,
		"good": map[string]string{
			"9003591174 1": hs256(good),
			"9003591174 5": hs256(of("9003591174", 5, issued, far)),
			"imAdmin 10":   hs256(of("imAdmin", 10, issued, far)),
		},
		"bad": map[string]string{
			"expired":         hs256(of("9003591174", 1, issued, issued.Add(time.Hour))),
			"without an end":  hs256(forever),
			"nobody":          hs256(of("", 1, issued, far)),
			"another secret":  sign(jwt.SigningMethodHS256, good, []byte("openIM123")),
			"another hash":    sign(jwt.SigningMethodHS512, good, key),
			"not signed":      sign(jwt.SigningMethodNone, good, jwt.UnsafeAllowNoneSignatureType),
			"a real platform": hs256(jwt.MapClaims{"UserID": "9003591174", "PlatformID": 1.5, "exp": far.Unix()}),
			"a user by number and text": hs256(jwt.MapClaims{
				"UserID": []string{"9003591174"}, "PlatformID": 1, "exp": far.Unix(),
			}),
		},
	}
	out := json.NewEncoder(os.Stdout)
	out.SetIndent("", " ")
	if err := out.Encode(vectors); err != nil {
		panic(err)
	}
}
