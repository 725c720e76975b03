/* Preloaded into QEMU 7.2 by the tests that need COLO without KVM; for nothing else.
 *
 * Under TCG, the primary's COLO thread waits on a condition with a mutex that it does not hold. The wait returns with
 * the mutex held, nobody gives it back, and the thread blocks on it at its next lock. This wait takes such a mutex
 * before it waits, and releases it afterwards, so that the caller finds it as it left it.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

typedef int wait_function(pthread_cond_t *, pthread_mutex_t *);

static wait_function *original;

__attribute__((constructor)) static void setup(void)
{
    original = (wait_function *)dlvsym(RTLD_NEXT, "pthread_cond_wait", "GLIBC_2.3.2");
}

int pthread_cond_wait(pthread_cond_t *condition, pthread_mutex_t *mutex)
{
    if (mutex->__data.__owner == (int)syscall(SYS_gettid)) {
        return original(condition, mutex);
    }
    pthread_mutex_lock(mutex);
    int status = original(condition, mutex);
    pthread_mutex_unlock(mutex);
    return status;
}
