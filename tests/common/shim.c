// Fails calls of the C library, below perrin: PERRIN_FAULT is CALL:ERROR:AFTER:TIMES:PATH. Of the calls whose path contains PATH the
// first AFTER succeed, the next TIMES fail with errno ERROR.
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

// With a $ at the end PART has to be the path's end.
static int matches(const char *path, const char *part) {
  size_t length = strlen(part), all = strlen(path);
  if (length == 0 || part[length - 1] != '$') return strstr(path, part) != NULL;
  return all >= length - 1 && strncmp(path + all - (length - 1), part, length - 1) == 0;
}

static int fails(const char *call, const char *path) {
  static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
  static char name[32], part[256];
  static long error, after, times;
  static int parsed;
  pthread_mutex_lock(&lock);
  if (!parsed) {
    const char *fault = getenv("PERRIN_FAULT");
    parsed = 1;
    if (!fault || sscanf(fault, "%31[^:]:%ld:%ld:%ld:%255s", name, &error, &after, &times, part) != 5) name[0] = 0;
  }
  int failed = name[0] && strcmp(call, name) == 0 && path && matches(path, part);
  if (failed && after > 0) { after--; failed = 0; }
  if (failed && times > 0) times--; else failed = 0;
  pthread_mutex_unlock(&lock);
  if (failed) { syscall(SYS_write, 2, "the fault was met\n", 18); errno = error; }
  return failed;
}

static const char *path_of(int file, char *path, size_t length) {
  char link[64];
  snprintf(link, sizeof link, "/proc/self/fd/%d", file);
  ssize_t read = readlink(link, path, length - 1);
  path[read > 0 ? read : 0] = 0;
  return path;
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
#define OF_PATH(type, name, call, declared, given, path) \
  type name declared { return fails(call, path) ? (type)-1 : REAL(name) given; }
#define OF_FILE(type, name, call, declared, given) \
  type name declared { char path[4096]; return fails(call, path_of(file, path, sizeof path)) ? (type)-1 : REAL(name) given; }

OF_PATH(int, rename, "rename", (const char *from, const char *to), (from, to), to)
OF_PATH(int, unlink, "unlink", (const char *path), (path), path)
OF_PATH(int, mkdir, "mkdir", (const char *path, mode_t mode), (path, mode), path)
OF_PATH(int, rmdir, "rmdir", (const char *path), (path), path)
OF_PATH(int, link, "link", (const char *from, const char *to), (from, to), to)
OF_PATH(int, linkat, "link", (int a, const char *from, int b, const char *to, int flags), (a, from, b, to, flags), to)
OF_FILE(ssize_t, write, "write", (int file, const void *bytes, size_t length), (file, bytes, length))
OF_FILE(int, fsync, "fsync", (int file), (file))
OF_FILE(int, ftruncate, "truncate", (int file, off_t length), (file, length))
OF_FILE(int, ftruncate64, "truncate", (int file, off64_t length), (file, length))
OF_FILE(int, flock, "flock", (int file, int operation), (file, operation))

DIR *opendir(const char *path) { return fails("opendir", path) ? NULL : REAL(opendir)(path); }

#define OPEN(name) \
  int name(const char *path, int flags, ...) { \
    va_list rest; va_start(rest, flags); int mode = va_arg(rest, int); va_end(rest); \
    return fails(flags & O_CREAT ? "create" : "open", path) ? -1 : REAL(name)(path, flags, mode); }
OPEN(open)
OPEN(open64)
