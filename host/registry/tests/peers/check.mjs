// Checks Sigstore bundles with Sigstore's own library, and makes some with Node's own cryptography.
//
//   node check.mjs verify PUBLIC_KEY BUNDLE     exit code 0 if the owner of the key signed the statement in the bundle
//   node check.mjs sign FOLDER HEX              a key pair and a bundle that signs the manifest sha256:HEX, in a folder

import { createHash, createPublicKey, generateKeyPairSync, sign } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import { bundleFromJSON } from '@sigstore/bundle'
import { dsse } from '@sigstore/core'
import { TrustedRoot } from '@sigstore/protobuf-specs'
import { Verifier, toSignedEntity, toTrustMaterial } from '@sigstore/verify'

const TYPE = 'application/vnd.in-toto+json'

function verify(keyFile, bundleFile) {
  const publicKey = createPublicKey(readFileSync(keyFile))
  const root = TrustedRoot.fromJSON({
    mediaType: 'application/vnd.dev.sigstore.trustedroot+json;version=0.1',
    tlogs: [], certificateAuthorities: [], ctlogs: [], timestampAuthorities: [],
  })
  const material = toTrustMaterial(root, () => ({ publicKey, validFor: () => true }))
  const verifier = new Verifier(material, { tlogThreshold: 0, ctlogThreshold: 0, timestampThreshold: 0 })
  verifier.verify(toSignedEntity(bundleFromJSON(JSON.parse(readFileSync(bundleFile)))))
}

function make(folder, hex) {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const statement = Buffer.from(JSON.stringify({
    _type: 'https://in-toto.io/Statement/v1',
    subject: [{ digest: { sha256: hex } }],
    predicateType: 'https://sigstore.dev/cosign/sign/v1',
    predicate: {},
  }))
  const signature = sign('sha256', dsse.preAuthEncoding(TYPE, statement), privateKey)
  const hint = createHash('sha256').update(publicKey.export({ type: 'spki', format: 'der' })).digest('base64')
  writeFileSync(join(folder, 'node.pub'), publicKey.export({ type: 'spki', format: 'pem' }))
  writeFileSync(join(folder, 'node.sigstore.json'), JSON.stringify({
    mediaType: 'application/vnd.dev.sigstore.bundle.v0.3+json',
    verificationMaterial: { publicKey: { hint } },
    dsseEnvelope: {
      payload: statement.toString('base64'),
      payloadType: TYPE,
      signatures: [{ sig: signature.toString('base64') }],
    },
  }))
}

const [command, first, second] = process.argv.slice(2)
try {
  if (command === 'verify') verify(first, second)
  else if (command === 'sign') make(first, second)
  else throw new Error(`unknown command ${command}`)
} catch (error) {
  console.error(`${error.code ?? ''} ${error.message}`)
  process.exit(1)
}
