/* A clock to turn by hand, for programs of others. The file CLOCK_FILE holds seconds that are added to every
   clock, or behind an `=` the time at which the calendar stands still. Preloaded (LD_PRELOAD) by src/clock.rs;
   nothing that is shipped knows of it. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static void turn(clockid_t clock, struct timespec *now) {
    static int file = -2;
    char text[32] = {0};
    if (file == -2) {
        const char *path = getenv("CLOCK_FILE");
        file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    }
    if (file < 0 || pread(file, text, sizeof text - 1, 0) <= 0) return;
    if (text[0] != '=') {
        now->tv_sec += atol(text);
    } else if (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE) {
        now->tv_sec = atol(text + 1);
        now->tv_nsec = 0;
    }
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    int result = syscall(SYS_clock_gettime, clock, now);
    if (result == 0 && clock != CLOCK_PROCESS_CPUTIME_ID && clock != CLOCK_THREAD_CPUTIME_ID)
        turn(clock, now);
    return result;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    struct timespec exact;
    (void)zone;
    if (clock_gettime(CLOCK_REALTIME, &exact)) return -1;
    now->tv_sec = exact.tv_sec;
    now->tv_usec = exact.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *out) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (out) *out = now.tv_sec;
    return now.tv_sec;
}
