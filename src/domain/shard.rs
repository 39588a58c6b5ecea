//! Which of several processes watches a token.
//!
//! Every process hashes every token's name with every shard's number, and the highest weight wins
//! (rendezvous hashing): all agree without talking, and a further shard takes over only its fair part.

use super::{Name, steady_hash};

/// One process among several that share a configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shard {
    index: u32,
    total: u32,
}

/// The shard's number must be below their count, and that within bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("--shard counts from 0 and must be below --total-shards, which is from 1 to {}", Shard::MOST)]
pub struct NoSuchShard;

impl Default for Shard {
    fn default() -> Self {
        Self { index: 0, total: 1 }
    }
}

impl Shard {
    /// How many there may be: each weighs every token against all of them.
    pub const MOST: u32 = 1024;

    /// Shard `index`, counted from 0, of `total`.
    pub fn new(index: u32, total: u32) -> Result<Self, NoSuchShard> {
        if index < total && total <= Self::MOST { Ok(Self { index, total }) } else { Err(NoSuchShard) }
    }

    /// Its number, from 0.
    pub fn index(self) -> u32 {
        self.index
    }

    /// How many there are.
    pub fn total(self) -> u32 {
        self.total
    }

    /// Whether this one watches the token of that name. Exactly one of all does.
    pub fn watches(self, token: &Name) -> bool {
        let winner = (0..self.total).max_by_key(|shard| (weight(token, *shard), *shard));
        winner == Some(self.index)
    }
}

/// The same on every machine and in every version: the hash of the name, mixed with the shard's number by
/// the finalizer of `MurmurHash3`.
fn weight(token: &Name, shard: u32) -> u64 {
    let name = steady_hash(token.as_str().bytes());
    let mut mixed = name ^ (u64::from(shard) + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    for factor in [0xff51_afd7_ed55_8ccd_u64, 0xc4ce_b9fe_1a85_ec53] {
        mixed = (mixed ^ (mixed >> 33)).wrapping_mul(factor);
    }
    mixed ^ (mixed >> 33)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> Vec<Name> {
        (0..3_000).map(|index| Name::parse(&format!("token-{index}")).unwrap()).collect()
    }

    fn owner(token: &Name, total: u32) -> u32 {
        let owners: Vec<u32> =
            (0..total).filter(|index| Shard::new(*index, total).unwrap().watches(token)).collect();
        assert_eq!(owners.len(), 1, "{token} is watched by exactly one");
        owners[0]
    }

    #[test]
    fn every_token_has_one_owner_and_the_load_is_even() {
        for total in 1..=5 {
            let mut load = vec![0u32; total as usize];
            for token in names() {
                load[owner(&token, total) as usize] += 1;
            }
            let fair = 3_000 / total;
            assert!(load.iter().all(|tokens| tokens.abs_diff(fair) < fair / 5), "{load:?}");
        }
    }

    #[test]
    fn a_further_shard_takes_its_part_and_nothing_else_moves() {
        for total in 1..=4 {
            let moved: Vec<(u32, u32)> = names()
                .iter()
                .map(|token| (owner(token, total), owner(token, total + 1)))
                .filter(|(before, after)| before != after)
                .collect();
            assert!(moved.iter().all(|(_, after)| *after == total), "tokens move to the new shard alone");
            let fair = 3_000 / (total as usize + 1);
            assert!(moved.len() < fair * 6 / 5, "{} of {fair}", moved.len());
        }
    }

    #[test]
    fn a_shard_out_of_range_is_refused() {
        assert_eq!(Shard::new(0, 0), Err(NoSuchShard));
        assert_eq!(Shard::new(2, 2), Err(NoSuchShard));
        assert_eq!(Shard::new(0, Shard::MOST + 1), Err(NoSuchShard));
        assert!(Shard::new(Shard::MOST - 1, Shard::MOST).is_ok());
        assert_eq!(Shard::default(), Shard::new(0, 1).unwrap());
    }
}
