/* Preloaded into QEMU 7.2 by the tests that need COLO without KVM; for nothing else.
 *
 * Under TCG, the primary's COLO thread looks at a flag and waits on a condition, with a mutex that it does not hold.
 * Two things go wrong. The wait returns with the mutex held, nobody gives it back, and the thread blocks on it at its
 * next lock. And the flag may be set, and the condition signalled, between the look and the wait, which then has no end:
 * once in about a hundred checkpoints. So a wait with a mutex that its thread does not hold takes it first, ends by
 * itself after a few milliseconds, as any wait may, and releases it.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define LONGEST 5000000 /* ns */
#define SECOND 1000000000

typedef int wait_function(pthread_cond_t *, pthread_mutex_t *);

static wait_function *original;

__attribute__((constructor)) static void setup(void)
{
    original = (wait_function *)dlvsym(RTLD_NEXT, "pthread_cond_wait", "GLIBC_2.3.2");
}

int pthread_cond_wait(pthread_cond_t *condition, pthread_mutex_t *mutex)
{
    struct timespec end;

    if (mutex->__data.__owner == (int)syscall(SYS_gettid)) {
        return original(condition, mutex);
    }
    clock_gettime(CLOCK_MONOTONIC, &end);
    end.tv_nsec += LONGEST;
    end.tv_sec += end.tv_nsec / SECOND;
    end.tv_nsec %= SECOND;
    pthread_mutex_lock(mutex);
    pthread_cond_clockwait(condition, mutex, CLOCK_MONOTONIC, &end);
    pthread_mutex_unlock(mutex);
    return 0;
}
