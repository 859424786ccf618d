/* SPDX-License-Identifier: Apache-2.0
 *
 * manifest: what a backup says of itself. No name in it leads out of the backup.
 */
#include "fuzz.h"
#include "server/manifest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    char path[FUZZ_PATH_BYTES], message[400] = "";
    struct manifest manifest = {0};
    if (len > 16384)
        return 0;
    fuzz_file("MANIFEST", pl_slice(data, len), path);
    struct pl_status status = manifest_load(fuzz_dir(), message, &manifest);
    FUZZ_HOLDS(pl_is_ok(status) || message[0] != '\0');
    for (size_t i = 0; pl_is_ok(status) && i < manifest.count; i++) {
        FUZZ_HOLDS(manifest.file[i].name[0] != '/');
        FUZZ_HOLDS(strstr(manifest.file[i].name, "..") == NULL);
    }
    manifest_fini(&manifest);
    return 0;
}
