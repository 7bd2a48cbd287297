//! How long a page of 100 takes, of the tags of the repository that has most and of the repositories:
//! at the beginning, in the middle, at the end, and behind random names.

use crate::store::{MANY, Store, name, tag_of_many};
use crate::{Bound, Failure, millis, percentile, say, scattered};
use floundr_engine::page::Page;
use floundr_engine::{Engine, Repository};
use std::time::{Duration, Instant};

/// Items of a page.
const LIMIT: usize = 100;
/// Pages at each place, and behind random names.
const PAGES: usize = 500;

/// Where a page begins.
#[derive(Debug, Clone, Copy)]
enum Place {
    Beginning,
    Middle,
    End,
    Anywhere,
}

/// A list in its order, and where it is asked for.
enum List {
    Tags(Repository, Vec<String>),
    Repositories(Engine, Vec<String>),
}

pub(crate) async fn measure(store: &Store) -> Result<Vec<Bound>, Failure> {
    let engine = store.open().await?;
    let tags = (0..store.tags_of_many()).map(tag_of_many).collect();
    let names = (0..store.repositories()).map(|index| Ok(name(index)?.to_string()));
    let mut names = names.collect::<Result<Vec<_>, Failure>>()?;
    names.sort_unstable();
    let many = engine.repository(&MANY.parse()?);
    let lists = [
        ("tags", List::Tags(many, tags)),
        ("repositories", List::Repositories(engine.clone(), names)),
    ];
    let mut bounds = Vec::new();
    for (what, list) in lists {
        let mut worst = Duration::ZERO;
        for place in [Place::Beginning, Place::Middle, Place::End, Place::Anywhere] {
            let mut times = list.pages_at(place).await?;
            let (median, high) = (percentile(&mut times, 50), percentile(&mut times, 99));
            worst = worst.max(high);
            say(&format!(
                "a page of {LIMIT} {what}, {place:?}: median {median:.1?}, p99 {high:.1?}"
            ))?;
        }
        bounds.push(Bound {
            what: format!("a page of {LIMIT} {what}, the p99 at the worst place"),
            measured: millis(worst),
            limit: 2.0,
            unit: "ms",
        });
    }
    engine.close().await?;
    Ok(bounds)
}

// === impl Place ===

impl Place {
    /// Behind which item of so many a page begins; `None`: at the beginning.
    fn after(self, items: usize, page: usize) -> Option<usize> {
        match self {
            Self::Beginning => None,
            Self::Middle => Some((items - LIMIT) / 2),
            // The last page is full.
            Self::End => Some(items - LIMIT - 1),
            Self::Anywhere => Some(scattered(page) % (items - LIMIT)),
        }
    }
}

// === impl List ===

impl List {
    async fn pages_at(&self, place: Place) -> Result<Vec<Duration>, Failure> {
        let (Self::Tags(_, items) | Self::Repositories(_, items)) = self;
        let mut times = Vec::with_capacity(PAGES);
        for page in 0..PAGES {
            let after = place.after(items.len(), page);
            let first = after.map_or(0, |after| after + 1);
            let page = Page {
                after: after.and_then(|after| items.get(after)).cloned(),
                limit: LIMIT,
            };
            let began = Instant::now();
            let listed = self.page(page).await?;
            times.push(began.elapsed());
            // Repositories of the load and the one with many tags are in the list, too.
            let is_right = match self {
                Self::Tags(..) => items.get(first..first + LIMIT) == Some(&listed),
                Self::Repositories(..) => listed.len() == LIMIT,
            };
            if !is_right {
                return Err(format!("a page at {place:?} is wrong: {listed:?}").into());
            }
        }
        Ok(times)
    }

    async fn page(&self, page: Page<String>) -> Result<Vec<String>, Failure> {
        Ok(match self {
            Self::Tags(repository, _) => texts(&repository.tags(page).await?.items),
            Self::Repositories(engine, _) => texts(&engine.repositories(page).await?.items),
        })
    }
}

fn texts(items: &[impl ToString]) -> Vec<String> {
    items.iter().map(ToString::to_string).collect()
}
