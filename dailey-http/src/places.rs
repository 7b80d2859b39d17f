//! How many connections there may be, in all and of one address.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::client::TrustedProxies;

/// The places of one listener.
#[derive(Debug)]
pub(crate) struct Places {
    all: Arc<Semaphore>,
    most_per_address: usize,
    /// They speak for many.
    trusted: TrustedProxies,
    taken: Taken,
}

/// Places taken, by address.
type Taken = Arc<Mutex<HashMap<IpAddr, usize>>>;

/// A connection's place, free again when it is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    _any: OwnedSemaphorePermit,
    address: Option<(IpAddr, Taken)>,
}

impl Places {
    pub(crate) fn new(most: usize, most_per_address: usize, trusted: TrustedProxies) -> Self {
        Self {
            all: Arc::new(Semaphore::new(most)),
            most_per_address,
            trusted,
            taken: Arc::default(),
        }
    }

    /// Waits until there is one place, whoever it will be for.
    pub(crate) async fn any(&self) -> Option<OwnedSemaphorePermit> {
        // Nobody closes the semaphore.
        Arc::clone(&self.all).acquire_owned().await.ok()
    }

    /// The place for a peer; nothing where its address has as many as it may.
    pub(crate) fn of(&self, any: OwnedSemaphorePermit, peer: IpAddr) -> Option<Place> {
        if self.trusted.contains(peer) {
            return Some(Place {
                _any: any,
                address: None,
            });
        }
        let address = network(peer);
        let mut taken = lock(&self.taken);
        let count = taken.entry(address).or_default();
        if *count >= self.most_per_address {
            return None;
        }
        *count += 1;
        Some(Place {
            _any: any,
            address: Some((address, Arc::clone(&self.taken))),
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Some((address, taken)) = &self.address else {
            return;
        };
        let mut taken = lock(taken);
        match taken.get_mut(address) {
            Some(count) if *count > 1 => *count -= 1,
            _ => {
                taken.remove(address);
            }
        }
    }
}

/// Whoever has one IPv6 address has its /64.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64)).into(),
    }
}

fn lock(taken: &Mutex<HashMap<IpAddr, usize>>) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
    // Counts are right between any two statements.
    taken.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_address_has_so_many_places_and_gets_them_back_and_proxies_have_all() {
        let trusted = TrustedProxies::parse("10.0.0.1").unwrap();
        let places = Places::new(9, 2, trusted);
        let take = async |peer: &str| {
            let any = places.any().await.unwrap();
            places.of(any, peer.parse().unwrap())
        };
        let first = take("2001:db8:0:1::1").await.unwrap();
        let second = take("2001:db8:0:1::2").await.unwrap();
        assert!(take("2001:db8:0:1::3").await.is_none(), "one network");
        let other = take("2001:db8:0:2::1").await.unwrap();
        drop(first);
        let third = take("2001:db8:0:1::3").await.unwrap();
        for _ in 0..3 {
            std::mem::forget(take("10.0.0.1").await.unwrap());
        }
        assert_eq!(lock(&places.taken).len(), 2, "proxies are not counted");
        drop((second, other, third));
        assert!(lock(&places.taken).is_empty(), "nobody is remembered");
        assert_eq!(places.all.available_permits(), 6);
    }
}
