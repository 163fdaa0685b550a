/* Preloaded into a program under test: writes down what it asks of the disk, and makes the disk fail.
 *
 * SYNC_LOG         file that gets one record for each call on a file whose name contains "outbox":
 *                  "S name\n" fsync or fdatasync, "T name size\n" truncate, "U name\n" unlink,
 *                  "W name offset size\n" and the bytes: written.
 * SYNC_FAIL        while this file exists, every sync answers EIO.
 * WRITE_FAIL       while this file exists, every write answers ENOSPC.
 * SYNC_DELAY_MS    every sync takes so much longer.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

static int journal = -1;

static int watched(const char *name) { return name && strstr(name, "outbox") != NULL; }

static const char *name_of(int fd, char *place, size_t size) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, place, size - 1);
    if (length < 0) return NULL;
    place[length] = 0;
    const char *slash = strrchr(place, '/');
    return slash ? slash + 1 : place;
}

static void note(const char *text, const void *data, size_t size) {
    const char *path = getenv("SYNC_LOG");
    if (!path) return;
    if (journal < 0) journal = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    static ssize_t (*real)(int, const void *, size_t);
    if (!real) real = dlsym(RTLD_NEXT, "write");
    real(journal, text, strlen(text));
    if (size) real(journal, data, size);
}

static int fails(const char *variable) {
    const char *path = getenv(variable);
    return path && access(path, F_OK) == 0;
}

static int synced(int fd, const char *call) {
    char place[4096], line[4200];
    const char *name = name_of(fd, place, sizeof place);
    if (watched(name)) {
        if (fails("SYNC_FAIL")) {
            errno = EIO;
            return -1;
        }
        snprintf(line, sizeof line, "S %s\n", name);
        note(line, NULL, 0);
        const char *delay = getenv("SYNC_DELAY_MS");
        if (delay) usleep(atoi(delay) * 1000);
    }
    int (*real)(int) = dlsym(RTLD_NEXT, call);
    return real(fd);
}

int fsync(int fd) { return synced(fd, "fsync"); }
int fdatasync(int fd) { return synced(fd, "fdatasync"); }

static ssize_t written(int fd, const void *data, size_t size, off64_t offset) {
    static ssize_t (*real)(int, const void *, size_t, off64_t);
    if (!real) real = dlsym(RTLD_NEXT, "pwrite64");
    char place[4096], line[4200];
    const char *name = name_of(fd, place, sizeof place);
    if (!watched(name) || strstr(name, "-shm")) return real(fd, data, size, offset);
    if (fails("WRITE_FAIL")) {
        errno = ENOSPC;
        return -1;
    }
    snprintf(line, sizeof line, "W %s %lld %zu\n", name, (long long)offset, size);
    note(line, data, size);
    return real(fd, data, size, offset);
}

ssize_t pwrite64(int fd, const void *data, size_t size, off64_t offset) { return written(fd, data, size, offset); }
ssize_t pwrite(int fd, const void *data, size_t size, off_t offset) { return written(fd, data, size, offset); }

static int truncated(int fd, off64_t size) {
    static int (*real)(int, off64_t);
    if (!real) real = dlsym(RTLD_NEXT, "ftruncate64");
    char place[4096], line[4200];
    const char *name = name_of(fd, place, sizeof place);
    if (watched(name) && !strstr(name, "-shm")) {
        snprintf(line, sizeof line, "T %s %lld\n", name, (long long)size);
        note(line, NULL, 0);
    }
    return real(fd, size);
}

int ftruncate64(int fd, off64_t size) { return truncated(fd, size); }
int ftruncate(int fd, off_t size) { return truncated(fd, size); }

int unlink(const char *path) {
    static int (*real)(const char *);
    if (!real) real = dlsym(RTLD_NEXT, "unlink");
    char line[4200];
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    if (watched(name) && !strstr(name, "-shm")) {
        snprintf(line, sizeof line, "U %s\n", name);
        note(line, NULL, 0);
    }
    return real(path);
}
