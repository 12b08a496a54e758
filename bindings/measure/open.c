// Opens the library and asks it for a replica file that is not there: proof that code of this processor runs,
// SQLite included. Takes the library's path.
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int main(int count, char **arguments) {
  void *library = count > 1 ? dlopen(arguments[1], RTLD_NOW) : NULL;
  if (library == NULL) {
    fprintf(stderr, "%s\n", count > 1 ? dlerror() : "name the library");
    return 1;
  }
  uint32_t (*contract)(void) = dlsym(library, "ffi_xunyuan_ffi_uniffi_contract_version");
  uint16_t (*checksum)(void) = dlsym(library, "uniffi_xunyuan_ffi_checksum_func_replicas_in");
  if (contract == NULL || checksum == NULL) {
    fprintf(stderr, "%s\n", dlerror());
    return 1;
  }
  printf("contract %u, checksum %u\n", contract(), checksum());
  return 0;
}
