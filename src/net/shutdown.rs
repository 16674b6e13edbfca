//! The word that the server is going down, passed to everybody who waits for something else.

use tokio::sync::watch;

/// Hears of the shutdown; cheap to clone.
#[derive(Clone, Debug)]
pub struct Shutdown(watch::Receiver<bool>);

/// Says it. Dropping it says it too, so that nobody waits for a word that cannot come.
#[derive(Debug)]
pub struct ShutdownSender(watch::Sender<bool>);

/// A pair of both.
pub fn shutdown() -> (ShutdownSender, Shutdown) {
    let (sender, receiver) = watch::channel(false);
    (ShutdownSender(sender), Shutdown(receiver))
}

impl ShutdownSender {
    pub fn start(&self) {
        self.0.send_replace(true);
    }
}

impl Shutdown {
    /// Whether the server is going down.
    pub fn is_down(&self) -> bool {
        *self.0.borrow() || self.0.has_changed().is_err()
    }

    /// Returns when it does. Safe to cancel, so it belongs into `select!`.
    pub async fn wait(&self) {
        let _ = self.0.clone().wait_for(|down| *down).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn both_the_word_and_its_loss_are_heard() {
        let (sender, down) = shutdown();
        assert!(!down.is_down());
        sender.start();
        down.wait().await;
        assert!(down.is_down());

        let (sender, down) = shutdown();
        drop(sender);
        down.wait().await;
        assert!(down.is_down());
    }
}
