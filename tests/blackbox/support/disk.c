/* A disk that hangs on demand: preloaded into a gateway. While a file of the name exists in $HANGING_DISK,
   `sync` holds up whatever forces data to the disk, `stat` whoever asks for a session's file. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void hang(const char *what) {
    const char *directory = getenv("HANGING_DISK");
    char path[4096];
    if (!directory) return;
    snprintf(path, sizeof path, "%s/%s", directory, what);
    while (access(path, F_OK) == 0) usleep(10000);
}

int fdatasync(int file) {
    hang("sync");
    return ((int (*)(int))dlsym(RTLD_NEXT, "fdatasync"))(file);
}

int fsync(int file) {
    hang("sync");
    return ((int (*)(int))dlsym(RTLD_NEXT, "fsync"))(file);
}

int statx(int directory, const char *restrict path, int flags, unsigned mask, struct statx *restrict found) {
    if (path && strstr(path, ".jsonl")) hang("stat");
    return ((int (*)(int, const char *, int, unsigned, struct statx *))dlsym(RTLD_NEXT, "statx"))(
        directory, path, flags, mask, found);
}
