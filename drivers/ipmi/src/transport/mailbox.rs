//! What one job is told by others, in the order in which it was told.
//!
//! There is one for each BMC, and most of them are empty most of the time. Such a mailbox holds no memory beyond
//! itself, other than a channel of tokio, which has room for 32 things from the beginning.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;

use tokio::sync::Notify;

/// A mailbox for at most `size_max` things: the end to write to and the end to read from.
pub(super) fn open<T>(size_max: usize) -> (Mailbox<T>, Mails<T>) {
    let contents =
        Contents { queue: VecDeque::new(), size_max, writer_is_gone: false, reader_is_gone: false };
    let shared = Arc::new(Shared { contents: Mutex::new(contents), changed: Notify::new() });
    (Mailbox { shared: Arc::clone(&shared) }, Mails { shared })
}

/// The end to write to. When it is dropped, the reader gets what is still there, and then learns of it.
#[derive(Debug)]
pub(super) struct Mailbox<T> {
    shared: Arc<Shared<T>>,
}

/// The end to read from. When it is dropped, so is what is still there.
#[derive(Debug)]
pub(super) struct Mails<T> {
    shared: Arc<Shared<T>>,
}

/// Why something could not be posted.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refused<T> {
    /// As much as may wait is waiting.
    Full,
    /// Nobody reads it any longer; it comes back.
    Unread(T),
}

#[derive(Debug)]
struct Shared<T> {
    contents: Mutex<Contents<T>>,
    changed: Notify,
}

#[derive(Debug)]
struct Contents<T> {
    queue: VecDeque<T>,
    size_max: usize,
    writer_is_gone: bool,
    reader_is_gone: bool,
}

impl<T> Shared<T> {
    fn lock(&self) -> MutexGuard<'_, Contents<T>> {
        self.contents.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Mailbox<T> {
    /// Leaves something for the reader; never waits.
    pub(super) fn post(&self, mail: T) -> Result<(), Refused<T>> {
        let mut contents = self.shared.lock();
        if contents.reader_is_gone {
            return Err(Refused::Unread(mail));
        }
        if contents.size_max <= contents.queue.len() {
            return Err(Refused::Full);
        }
        contents.queue.push_back(mail);
        drop(contents);
        self.shared.changed.notify_one();
        Ok(())
    }

    /// Its bytes while it is empty.
    #[cfg(test)]
    pub(super) fn size(&self) -> usize {
        size_of_val(&*self.shared)
    }
}

impl<T> Drop for Mailbox<T> {
    fn drop(&mut self) {
        self.shared.lock().writer_is_gone = true;
        self.shared.changed.notify_one();
    }
}

impl<T> Mails<T> {
    /// Waits for the next one; `None` when there will be none. Nothing is lost if the wait is given up.
    pub(super) async fn next(&mut self) -> Option<T> {
        loop {
            if let Poll::Ready(next) = self.take() {
                return next;
            }
            self.shared.changed.notified().await;
        }
    }

    /// The next one or the end, if there is either yet.
    fn take(&mut self) -> Poll<Option<T>> {
        let mut contents = self.shared.lock();
        let mail = contents.queue.pop_front();
        if contents.queue.is_empty() {
            contents.queue = VecDeque::new();
        }
        if mail.is_none() && !contents.writer_is_gone {
            return Poll::Pending;
        }
        Poll::Ready(mail)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.shared.lock().queue.is_empty()
    }
}

impl<T> Drop for Mails<T> {
    fn drop(&mut self) {
        let mut contents = self.shared.lock();
        contents.reader_is_gone = true;
        let unread = std::mem::take(&mut contents.queue);
        drop(contents);
        // Outside of the lock: somebody may wait for an answer to what is dropped here.
        drop(unread);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    #[tokio::test]
    async fn everything_arrives_in_its_order_before_the_end() {
        let (mailbox, mut mails) = open(8);
        for number in 0..5 {
            mailbox.post(number).unwrap();
        }
        drop(mailbox);

        let mut read = Vec::new();
        while let Some(number) = mails.next().await {
            read.push(number);
        }

        assert_eq!(read, [0, 1, 2, 3, 4]);
    }

    #[tokio::test]
    async fn a_reader_that_waits_is_woken() {
        let (mailbox, mut mails) = open(8);
        let reader = tokio::spawn(async move { (mails.next().await, mails.next().await) });
        // It has begun to wait by then: there is one thread.
        tokio::task::yield_now().await;

        mailbox.post(7).unwrap();
        tokio::task::yield_now().await;
        drop(mailbox);

        assert_eq!(reader.await.unwrap(), (Some(7), None));
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_that_is_given_up_loses_nothing() {
        let (mailbox, mut mails) = open(8);
        timeout(Duration::from_secs(1), mails.next()).await.unwrap_err();
        {
            // Woken, but dropped before it can look.
            let mut waiting = Box::pin(mails.next());
            assert!(timeout(Duration::ZERO, &mut waiting).await.is_err());
            mailbox.post(7).unwrap();
        }

        assert_eq!(timeout(Duration::from_secs(1), mails.next()).await, Ok(Some(7)));
    }

    #[test]
    fn there_is_room_for_so_many_and_no_more() {
        let (mailbox, mut mails) = open(2);
        mailbox.post(1).unwrap();
        mailbox.post(2).unwrap();

        assert_eq!(mailbox.post(3), Err(Refused::Full));
        assert_eq!(mails.take(), Poll::Ready(Some(1)));
        assert_eq!(mailbox.post(4), Ok(()));
    }

    #[test]
    fn what_nobody_reads_is_dropped_or_comes_back() {
        let (mailbox, mails) = open(2);
        let unread = Arc::new(());
        mailbox.post(Arc::clone(&unread)).unwrap();

        drop(mails);

        assert_eq!(Arc::strong_count(&unread), 1);
        assert_eq!(mailbox.post(Arc::clone(&unread)), Err(Refused::Unread(unread)));
    }

    #[test]
    fn an_empty_one_holds_no_memory() {
        let (mailbox, mut mails) = open(8);
        mailbox.post([0_u8; 100]).unwrap();
        assert!(!mails.is_empty());

        assert!(mails.take().is_ready());

        assert!(mails.is_empty());
        assert_eq!(mails.shared.lock().queue.capacity(), 0);
    }
}
