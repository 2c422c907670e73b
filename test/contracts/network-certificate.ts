/**
 * A certificate for 127.0.0.1, its own authority, valid from 2020 to 2120: for a server that has a certificate and not
 * the cluster key. The key guards nothing.
 */
export const certificateKey = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg4G3Lz/Ry+OuHU6cd
eTxDLGWMjWZbgowwoiv8Wije0eihRANCAAQQJCPq/HQEW/BMRhYUjqWgxvQ4A85V
+Lq6ymRTowdV9xArvJkvH3fEcqttRIEMeQnCrMsAI8N0u/gfy2ohZgul
-----END PRIVATE KEY-----
`;

export const certificate = `-----BEGIN CERTIFICATE-----
MIIBaDCCAQ2gAwIBAgIBATAKBggqhkjOPQQDAjAUMRIwEAYDVQQDDAkxMjcuMC4w
LjEwIBcNMjAwMTAxMDAwMDAwWhgPMjEyMDAxMDEwMDAwMDBaMBQxEjAQBgNVBAMM
CTEyNy4wLjAuMTBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABBAkI+r8dARb8ExG
FhSOpaDG9DgDzlX4urrKZFOjB1X3ECu8mS8fd8Ryq21EgQx5CcKsywAjw3S7+B/L
aiFmC6WjTjBMMA8GA1UdEwEB/wQFMAMBAf8wGgYDVR0RBBMwEYcEfwAAAYIJbG9j
YWxob3N0MB0GA1UdDgQWBBSVdYkeivabFy8nfhGRgk6I/keqAzAKBggqhkjOPQQD
AgNJADBGAiEAp7csoFLkLoarPEl5oTwEl663JBdHap698OyiScPEl/ICIQD7Vjyr
e/7EXbIr1qPdqdCI9VPWNSyupNSaWvX9Uah1Aw==
-----END CERTIFICATE-----
`;
