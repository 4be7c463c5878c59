/**
 * Certificates and keys for tests, of nobody and for nothing: `openssl ecparam -name prime256v1 -genkey` and
 * `openssl req -x509`, valid for a hundred years.
 */

/** A certificate for `example.com`, whose key is {@link ecKey}. */
export const certificate = `-----BEGIN CERTIFICATE-----
MIIBmzCCAUGgAwIBAgIUFOV3brioMBqN/hFDjzSn7HokM+UwCgYIKoZIzj0EAwIw
FjEUMBIGA1UEAwwLZXhhbXBsZS5jb20wIBcNMjYxMTIyMjAyMzQ3WhgPMjEyNjEw
MjkyMDIzNDdaMBYxFDASBgNVBAMMC2V4YW1wbGUuY29tMFkwEwYHKoZIzj0CAQYI
KoZIzj0DAQcDQgAELdpDixMTHEfacw2xl18p4m5aiWY4ZRxW+VjnaRaPTgRW1aI/
8LrI4JqUhcXuxLDoLtnfLABZg12eMt15Afl+u6NrMGkwHQYDVR0OBBYEFPv2tC5M
EcEbvUkBEY6R4sFHVPHzMB8GA1UdIwQYMBaAFPv2tC5MEcEbvUkBEY6R4sFHVPHz
MA8GA1UdEwEB/wQFMAMBAf8wFgYDVR0RBA8wDYILZXhhbXBsZS5jb20wCgYIKoZI
zj0EAwIDSAAwRQIhAO/F/DDSwZ3KphMMhqesAVVtyyaz7jFi1u83Ah24fqjmAiBd
YD1H/atH9+gEKJSo1//EyBcbc1VOOZLO6yEAjM6+Nw==
-----END CERTIFICATE-----
`

/** A certificate for `other.example`, whose key is {@link otherKey}. */
export const otherCertificate = `-----BEGIN CERTIFICATE-----
MIIBhzCCAS2gAwIBAgIUYdGFn881UgzdAk+wLBMXGHS3H28wCgYIKoZIzj0EAwIw
GDEWMBQGA1UEAwwNb3RoZXIuZXhhbXBsZTAgFw0yNjExMjIyMDIzNDdaGA8yMTI2
MTAyOTIwMjM0N1owGDEWMBQGA1UEAwwNb3RoZXIuZXhhbXBsZTBZMBMGByqGSM49
AgEGCCqGSM49AwEHA0IABIShkgql1w/4YiFtV5fK3Hyxpz1tI4K204pUYqB8aixl
S+kzRymXPVAIkM3js7gPwif1LZPFX5nIAX4AHZboljajUzBRMB0GA1UdDgQWBBQ5
k7USmfByV/7loLc7CP471qc1WjAfBgNVHSMEGDAWgBQ5k7USmfByV/7loLc7CP47
1qc1WjAPBgNVHRMBAf8EBTADAQH/MAoGCCqGSM49BAMCA0gAMEUCIQDY3+VnsMeB
M+XCt3tW31uNfw29Jl7dxs74iWGYjxaF/QIgJAEJ35c8e4PYstBGDbiTRDoK56yP
XCVl/eMKMJ9xcy8=
-----END CERTIFICATE-----
`

/** Written by OpenSSL with the parameters of the curve in front. */
export const ecKey = `-----BEGIN EC PARAMETERS-----
BggqhkjOPQMBBw==
-----END EC PARAMETERS-----
-----BEGIN EC PRIVATE KEY-----
MHcCAQEEIKcJB/zvSgxs4MwP0rtFa8oRao4pvA7ReGGL1K3oLJkLoAoGCCqGSM49
AwEHoUQDQgAELdpDixMTHEfacw2xl18p4m5aiWY4ZRxW+VjnaRaPTgRW1aI/8LrI
4JqUhcXuxLDoLtnfLABZg12eMt15Afl+uw==
-----END EC PRIVATE KEY-----
`

/** {@link ecKey} in PKCS #8. */
export const pkcs8Key = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgpwkH/O9KDGzgzA/S
u0VryhFqjim8DtF4YYvUregsmQuhRANCAAQt2kOLExMcR9pzDbGXXyniblqJZjhl
HFb5WOdpFo9OBFbVoj/wusjgmpSFxe7EsOgu2d8sAFmDXZ4y3XkB+X67
-----END PRIVATE KEY-----
`

export const otherKey = `-----BEGIN EC PRIVATE KEY-----
MHcCAQEEIAcaYjH44jH+bLOjtpN6qUnTG9fNJabva3pMlkOFjZcjoAoGCCqGSM49
AwEHoUQDQgAEhKGSCqXXD/hiIW1Xl8rcfLGnPW0jgrbTilRioHxqLGVL6TNHKZc9
UAiQzeOzuA/CJ/Utk8VfmcgBfgAdluiWNg==
-----END EC PRIVATE KEY-----
`

/** {@link ecKey} with a passphrase, in the old form. */
export const encryptedEcKey = `-----BEGIN EC PRIVATE KEY-----
Proc-Type: 4,ENCRYPTED
DEK-Info: AES-128-CBC,C5D63EFC52374D9468949C995B574551

olk5/7ir7QniVoaUVGtTk9KEno1vE/j4fiyz4QsVJ0fZUpxdjqVWSStqay75ilRT
p9ydLR3DpR0K40S5C/cL1tQxtmaN34ObFrzjV8U8EkN0N6HupVZzUmU2Ig18a+d3
KYxBTifxW29h7ofoiVyITumCf581A4AZljr9wlnCkvA=
-----END EC PRIVATE KEY-----
`

/** {@link ecKey} with a passphrase, in PKCS #8. */
export const encryptedKey = `-----BEGIN ENCRYPTED PRIVATE KEY-----
MIHsMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAgK4bqoZCf7ygICCAAw
DAYIKoZIhvcNAgkFADAdBglghkgBZQMEASoEELt+lHBI5Zvx6XFqfbV1eCUEgZDw
jiTBdOOJZ6X26ZRo0vsGghi+FdsTmps+SrOvHjRvMwisF3VWEe4hyg5A7+CBlRfy
F+JIBd3UZoL6fYzE6kIwye7FupcYG0c3y1goUD/TiMe0JbBjN9nEbGRORn8CGjJr
eURFRfM+klFEMl15prN8Qq4OWtp81zfR1PmBDR7wSa6pkLE1IUrlBuMkDd+QzDU=
-----END ENCRYPTED PRIVATE KEY-----
`
