/*
 * Lets the disk under a running process fail: preloaded into it, what it asks of the files in one directory fails as the disk would.
 *
 * FAILING_DISK names the directory. FAILING_DISK_CONTROL names a file of four bytes that this library maps, so whoever writes to it turns
 * failures on and off while the process runs: the error number for opening files to write, for reading, for writing and for syncing;
 * 0 is none.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

enum { on_open, on_read, on_write, on_sync, kinds };

static volatile unsigned char *control;
static const char *directory;

__attribute__((constructor)) static void begin(void) {
  const char *path = getenv("FAILING_DISK_CONTROL");
  directory = getenv("FAILING_DISK");
  if (path == NULL || directory == NULL) return;
  int (*real_open)(const char *, int, ...) = dlsym(RTLD_NEXT, "open");
  int descriptor = real_open(path, O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return;
  void *mapped = mmap(NULL, kinds, PROT_READ, MAP_SHARED, descriptor, 0);
  close(descriptor);
  if (mapped != MAP_FAILED) control = mapped;
}

static int is_inside(const char *path) {
  size_t length = strlen(directory);
  return strncmp(path, directory, length) == 0 && (path[length] == '/' || path[length] == 0);
}

/* The error that an operation on an open file is to meet; 0 for none. */
static int trouble_of(int descriptor, int kind) {
  if (control == NULL || control[kind] == 0) return 0;
  char link[64], path[PATH_MAX];
  snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
  ssize_t length = readlink(link, path, sizeof path - 1);
  if (length <= 0) return 0;
  path[length] = 0;
  return is_inside(path) ? control[kind] : 0;
}

static int trouble_at(const char *path, int flags) {
  if (control == NULL || control[on_open] == 0 || (flags & (O_WRONLY | O_RDWR | O_CREAT)) == 0) return 0;
  char whole[PATH_MAX];
  if (path[0] != '/') {
    if (getcwd(whole, sizeof whole) == NULL) return 0;
    size_t length = strlen(whole);
    snprintf(whole + length, sizeof whole - length, "/%s", path);
    path = whole;
  }
  return is_inside(path) ? control[on_open] : 0;
}

#define FAIL_IF(trouble)   \
  do {                     \
    int code = (trouble);  \
    if (code != 0) {       \
      errno = code;        \
      return -1;           \
    }                      \
  } while (0)

#define OPEN(name)                                                                  \
  int name(const char *path, int flags, ...) {                                      \
    static int (*real)(const char *, int, ...);                                     \
    if (real == NULL) real = dlsym(RTLD_NEXT, #name);                               \
    va_list arguments;                                                              \
    va_start(arguments, flags);                                                     \
    mode_t mode = (flags & (O_CREAT | __O_TMPFILE)) != 0 ? va_arg(arguments, mode_t) : 0; \
    va_end(arguments);                                                              \
    FAIL_IF(trouble_at(path, flags));                                               \
    return real(path, flags, mode);                                                 \
  }

#define IO(kind, name, parameters, arguments)            \
  ssize_t name parameters {                              \
    static ssize_t(*real) parameters;                    \
    if (real == NULL) real = dlsym(RTLD_NEXT, #name);    \
    FAIL_IF(trouble_of(descriptor, kind));               \
    return real arguments;                               \
  }

#define SYNC(kind, name, parameters, arguments)          \
  int name parameters {                                  \
    static int(*real) parameters;                        \
    if (real == NULL) real = dlsym(RTLD_NEXT, #name);    \
    FAIL_IF(trouble_of(descriptor, kind));               \
    return real arguments;                               \
  }

OPEN(open)
OPEN(open64)
IO(on_read, read, (int descriptor, void *bytes, size_t count), (descriptor, bytes, count))
IO(on_read, pread, (int descriptor, void *bytes, size_t count, off_t at), (descriptor, bytes, count, at))
IO(on_read, pread64, (int descriptor, void *bytes, size_t count, off64_t at), (descriptor, bytes, count, at))
IO(on_write, write, (int descriptor, const void *bytes, size_t count), (descriptor, bytes, count))
IO(on_write, pwrite, (int descriptor, const void *bytes, size_t count, off_t at), (descriptor, bytes, count, at))
IO(on_write, pwrite64, (int descriptor, const void *bytes, size_t count, off64_t at), (descriptor, bytes, count, at))
IO(on_write, writev, (int descriptor, const struct iovec *parts, int count), (descriptor, parts, count))
SYNC(on_sync, fsync, (int descriptor), (descriptor))
SYNC(on_sync, fdatasync, (int descriptor), (descriptor))
SYNC(on_write, ftruncate, (int descriptor, off_t length), (descriptor, length))
SYNC(on_write, ftruncate64, (int descriptor, off64_t length), (descriptor, length))
