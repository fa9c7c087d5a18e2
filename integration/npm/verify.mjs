// Verifies an assertion as an app would: with the keys that the site publishes,
// and with a JOSE library that is not the gateway's own. Prints the payload, or
// says what is wrong and exits 1.
//
//	node verify.mjs <token> <jwks-url> <issuer> <audience>
import { createRemoteJWKSet, jwtVerify } from 'jose'

const [token, jwks, issuer, audience] = process.argv.slice(2)
try {
	const { payload } = await jwtVerify(token, createRemoteJWKSet(new URL(jwks)), {
		issuer,
		audience,
		typ: 'doorward-assertion+jwt',
		algorithms: ['ES256', 'EdDSA', 'RS256'],
		requiredClaims: ['sub', 'exp', 'iat'],
	})
	console.log(JSON.stringify(payload))
} catch (error) {
	console.error(`${error.code}: ${error.message}`)
	process.exit(1)
}
