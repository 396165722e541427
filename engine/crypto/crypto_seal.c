/*
 * crypto_seal.c -- sealing, opening, keyed hashes.
 *
 * Method: XChaCha20-Poly1305 as in draft-irtf-cfrg-xchacha-03, section 2.3, and BLAKE2b as in RFC
 * 7693, both by libsodium. The form without a key ends with XXH3-128 (low word, then high,
 * little-endian).
 *
 * In builds for fuzzing (CRYPTO_TRUSTS_TAGS) nothing is enciphered: sealing copies and appends a
 * tag of zeros, opening copies and does not look at the tag. So what a fuzzer writes in the place
 * of sealed bytes is what the decoders behind it get, and such a build still reads what it wrote
 * itself.
 */
#include "crypto_impl.h"

#include <sodium.h>
#include <string.h>

#define XXH_STATIC_LINKING_ONLY /* a running hash on the stack, since sealing has no way to fail */
#include <xxhash.h>

static void plain_tag(uint8_t out[static CRYPTO_TAG_BYTES], const void *plain, size_t bytes,
                      const void *associated, size_t associated_bytes,
                      const uint8_t nonce[static CRYPTO_NONCE_BYTES])
{
    XXH3_state_t state;
    XXH3_INITSTATE(&state);
    XXH3_128bits_reset(&state);
    XXH3_128bits_update(&state, nonce, CRYPTO_NONCE_BYTES);
    if (associated_bytes > 0)
        XXH3_128bits_update(&state, associated, associated_bytes);
    if (bytes > 0)
        XXH3_128bits_update(&state, plain, bytes);
    XXH128_hash_t hash = XXH3_128bits_digest(&state);

    struct writer w = writer_over(out, CRYPTO_TAG_BYTES);
    put_u64(&w, hash.low64);
    put_u64(&w, hash.high64);
}

/* key NULL: without one. */
static void seal(uint8_t *out, const void *plain, size_t bytes, const void *associated,
                 size_t associated_bytes, const uint8_t nonce[static CRYPTO_NONCE_BYTES],
                 const uint8_t *key)
{
    if (CRYPTO_TRUSTS_TAGS) {
        if (bytes > 0)
            memmove(out, plain, bytes);
        memset(out + bytes, 0, CRYPTO_TAG_BYTES);
    } else if (key == NULL) {
        if (bytes > 0)
            memmove(out, plain, bytes);
        plain_tag(out + bytes, out, bytes, associated, associated_bytes, nonce);
    } else {
        crypto_aead_xchacha20poly1305_ietf_encrypt(out, NULL, plain, bytes, associated,
                                                   associated_bytes, NULL, nonce, key);
    }
}

void crypto_seal(uint8_t *out, const void *plain, size_t bytes, const void *associated,
                 size_t associated_bytes, const uint8_t nonce[static CRYPTO_NONCE_BYTES],
                 const struct crypto_key *key)
{
    seal(out, plain, bytes, associated, associated_bytes, nonce,
         key != NULL ? crypto_key_bytes_in_use(key) : NULL);
}

void crypto_seal_derived(uint8_t *out, const void *plain, size_t bytes, const void *associated,
                         size_t associated_bytes, const uint8_t nonce[static CRYPTO_NONCE_BYTES],
                         const struct crypto_key *key, const char purpose[static 8],
                         const uint8_t id[static 16])
{
    seal(out, plain, bytes, associated, associated_bytes, nonce,
         key != NULL ? crypto_key_bytes_derived(key, purpose, id) : NULL);
}

bool crypto_open(uint8_t *out, const void *sealed, size_t bytes, const void *associated,
                 size_t associated_bytes, const uint8_t nonce[static CRYPTO_NONCE_BYTES],
                 const struct crypto_key *key)
{
    if (bytes < CRYPTO_TAG_BYTES)
        return false;
    size_t plain_bytes = bytes - CRYPTO_TAG_BYTES;
    bool is_right = true;

    if (CRYPTO_TRUSTS_TAGS) {
        if (plain_bytes > 0)
            memmove(out, sealed, plain_bytes);
    } else if (key == NULL) {
        uint8_t tag[CRYPTO_TAG_BYTES];
        plain_tag(tag, sealed, plain_bytes, associated, associated_bytes, nonce);
        is_right = memcmp(tag, (const uint8_t *)sealed + plain_bytes, sizeof tag) == 0;
        if (is_right && plain_bytes > 0)
            memmove(out, sealed, plain_bytes);
    } else {
        is_right = crypto_aead_xchacha20poly1305_ietf_decrypt(out, NULL, NULL, sealed, bytes,
                                                              associated, associated_bytes, nonce,
                                                              crypto_key_bytes_in_use(key)) == 0;
    }
    if (!is_right && plain_bytes > 0)
        memset(out, 0, plain_bytes);
    return is_right;
}

void crypto_id_hash(uint8_t out[static CRYPTO_ID_HASH_BYTES], const void *bytes, size_t count,
                    const struct crypto_key *key)
{
    int failed = crypto_generichash(out, CRYPTO_ID_HASH_BYTES, bytes, count,
                                    key == NULL ? NULL : crypto_key_bytes_in_use(key),
                                    key == NULL ? 0 : CRYPTO_KEY_BYTES);
    core_assert(failed == 0);
}
