//! [`Forest`]: repositories as a tree by the parts of their names.
//!
//! Invariants:
//! 1. A prefix is a node when more than one repository is below it; of prefixes with the same
//!    repositories only the longest is one.
//! 2. Whatever the names are, the tree is not deeper than [`DEEPEST`].

use super::repository::{Repository, Shown};
use crate::tui::widgets::list::contains;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

/// Below this, names are not taken apart any further.
const DEEPEST: usize = 64;

/// A prefix that holds more than this is closed until it is opened.
const CROWDED: usize = 50;

/// Repositories, and the prefixes they have in common.
#[derive(Debug, Default)]
pub(super) struct Forest {
    /// In the order of their names.
    leaves: Vec<Arc<Repository>>,
    groups: Vec<Group>,
    roots: Vec<Child>,
}

#[derive(Debug, Clone, Copy)]
enum Child {
    Leaf(usize),
    Group(usize),
}

/// What is below a prefix.
#[derive(Debug)]
struct Group {
    figures: Arc<Repository>,
    count: usize,
    children: Vec<Child>,
}

/// What of a forest is to be seen.
#[derive(Debug)]
pub(super) struct View<'a> {
    /// Which prefixes the user opened or closed.
    pub(super) folds: &'a BTreeMap<String, bool>,
    /// What a name must have in it, in lower case.
    pub(super) filter: String,
}

// === impl Forest ===

impl Forest {
    /// A forest of these.
    pub(super) fn new(mut leaves: Vec<Arc<Repository>>) -> Self {
        leaves.sort_by(|a, b| a.name.cmp(&b.name));
        leaves.dedup_by(|a, b| a.name == b.name);
        let mut forest = Self {
            leaves,
            ..Self::default()
        };
        forest.roots = forest.build(0..forest.leaves.len(), 0, 0);
        forest
    }

    /// Whether it is one of exactly these.
    pub(super) fn is_of(&self, rows: &[Arc<Repository>]) -> bool {
        let mut pairs = self.leaves.iter().zip(rows);
        self.leaves.len() == rows.len() && pairs.all(|(a, b)| Arc::ptr_eq(a, b))
    }

    /// What is directly below the prefix that ends at `at` and that all in `range` have.
    fn build(&mut self, range: Range<usize>, at: usize, depth: usize) -> Vec<Child> {
        let mut children = Vec::new();
        let mut here = range.start;
        while here < range.end {
            let end = self.alike(here..range.end, at, depth);
            if end > here + 1 {
                children.push(self.group(here..end, depth));
            } else {
                children.push(Child::Leaf(here));
            }
            here = end;
        }
        children
    }

    /// Where those end that have the next part of their name in common with the first.
    fn alike(&self, range: Range<usize>, at: usize, depth: usize) -> usize {
        let rest = self.leaves.get(range.clone()).unwrap_or_default();
        let first = rest.first().map_or("", |leaf| leaf.name.as_str());
        let slash = first.get(at..).and_then(|rest| rest.find('/'));
        let prefix = slash.and_then(|slash| first.get(..=at + slash));
        match prefix {
            // In the order of names, those with a prefix follow each other.
            Some(prefix) if depth < DEEPEST => {
                range.start + rest.partition_point(|leaf| leaf.name.starts_with(prefix))
            }
            _ => range.start + 1,
        }
    }

    fn group(&mut self, range: Range<usize>, depth: usize) -> Child {
        let leaves = self.leaves.get(range.clone()).unwrap_or_default();
        let [first, .., last] = leaves else {
            return Child::Leaf(range.start);
        };
        let prefix = in_common(&first.name, &last.name);
        let mut figures = Repository {
            name: prefix.to_owned(),
            ..Repository::default()
        };
        for leaf in leaves {
            figures.add(leaf);
        }
        let (at, count) = (prefix.len(), leaves.len());
        let children = self.build(range, at, depth + 1);
        self.groups.push(Group {
            figures: Arc::new(figures),
            count,
            children,
        });
        Child::Group(self.groups.len() - 1)
    }

    /// Sorts what is below each prefix.
    pub(super) fn sort(&mut self, order: (usize, bool)) {
        for place in 0..self.groups.len() {
            let mut children = std::mem::take(&mut self.groups[place].children);
            self.sort_children(&mut children, order);
            self.groups[place].children = children;
        }
        let mut roots = std::mem::take(&mut self.roots);
        self.sort_children(&mut roots, order);
        self.roots = roots;
    }

    fn sort_children(&self, children: &mut [Child], order: (usize, bool)) {
        children.sort_by(|a, b| self.figures(*a).ordered(self.figures(*b), order));
    }

    fn figures(&self, child: Child) -> &Arc<Repository> {
        match child {
            Child::Leaf(place) => &self.leaves[place],
            Child::Group(place) => &self.groups[place].figures,
        }
    }

    /// Opens or closes every prefix.
    pub(super) fn fold_all(&self, folds: &mut BTreeMap<String, bool>, is_open: bool) {
        let names = self.groups.iter().map(|group| group.figures.name.clone());
        folds.extend(names.map(|name| (name, is_open)));
    }

    /// Opens every prefix of a name.
    pub(super) fn open_above(&self, folds: &mut BTreeMap<String, bool>, name: &str) {
        let above = self.groups.iter().map(|group| &group.figures.name);
        let above = above.filter(|prefix| name.starts_with(prefix.as_str()));
        folds.extend(above.map(|prefix| (prefix.clone(), true)));
    }

    /// The rows that are to be seen.
    pub(super) fn rows(&self, view: &View<'_>) -> Vec<Shown> {
        let mut rows = Vec::new();
        self.show(&self.roots, (0, 0), view, &mut rows);
        rows
    }

    fn show(
        &self,
        children: &[Child],
        (label_at, depth): (usize, usize),
        view: &View<'_>,
        rows: &mut Vec<Shown>,
    ) {
        for child in children {
            let figures = self.figures(*child);
            let row = |group| Shown {
                figures: Arc::clone(figures),
                label_at,
                depth,
                group,
            };
            let Child::Group(place) = child else {
                rows.extend(contains(&figures.name, &view.filter).then(|| row(None)));
                continue;
            };
            let group = &self.groups[*place];
            // What is looked for is shown, wherever it is.
            let is_open = !view.filter.is_empty() || group.is_open(view.folds);
            let before = rows.len();
            rows.push(row(Some((group.count, is_open))));
            if is_open {
                let below = (figures.name.len(), depth + 1);
                self.show(&group.children, below, view, rows);
            }
            if is_open && rows.len() == before + 1 {
                rows.truncate(before);
            }
        }
    }
}

// === impl Group ===

impl Group {
    fn is_open(&self, folds: &BTreeMap<String, bool>) -> bool {
        let chosen = folds.get(&self.figures.name).copied();
        chosen.unwrap_or(self.count <= CROWDED)
    }
}

/// The parts that two names begin with, with the slash behind them.
fn in_common<'a>(first: &'a str, last: &str) -> &'a str {
    let pairs = first.bytes().zip(last.bytes());
    let same = pairs.take_while(|(a, b)| a == b).count();
    let same = first.as_bytes().get(..same).unwrap_or_default();
    let end = same.iter().rposition(|byte| *byte == b'/');
    end.and_then(|end| first.get(..=end)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn forest(names: &[&str]) -> Forest {
        let leaf = |(place, name): (usize, &&str)| {
            Arc::new(Repository {
                name: (*name).to_owned(),
                own_bytes: place as u64,
                tags: 1,
                ..Repository::default()
            })
        };
        Forest::new(names.iter().enumerate().map(leaf).collect())
    }

    fn seen(forest: &Forest, folds: &[(&str, bool)], filter: &str) -> Vec<String> {
        let folds = folds.iter().map(|(name, open)| ((*name).to_owned(), *open));
        let view = View {
            folds: &folds.collect(),
            filter: filter.to_owned(),
        };
        let row = |row: Shown| {
            let label = row.figures.name.get(row.label_at..).unwrap();
            format!("{}{label}", " ".repeat(row.depth))
        };
        forest.rows(&view).into_iter().map(row).collect()
    }

    #[test]
    fn prefixes_of_more_than_one_are_nodes_and_the_longest_of_the_same() {
        let forest = forest(&[
            "solo/x",
            "a/b/one",
            "a/b/two",
            "team",
            "team/app",
            "team/db/x",
        ]);
        assert_eq!(
            seen(&forest, &[], ""),
            [
                "a/b/", " one", " two", "solo/x", "team", "team/", " app", " db/x"
            ]
        );
    }

    #[test]
    fn what_is_closed_hides_what_is_below_unless_that_is_looked_for() {
        let forest = forest(&["a/b/x", "a/b/y", "a/c", "d"]);
        let closed = [("a/", false)];
        assert_eq!(seen(&forest, &closed, ""), ["a/", "d"]);
        assert_eq!(seen(&forest, &closed, "y"), ["a/", " b/", "  y"]);
        assert_eq!(
            seen(&forest, &[("a/b/", false)], ""),
            ["a/", " b/", " c", "d"]
        );
    }

    #[test]
    fn each_prefix_is_sorted_by_itself_and_among_the_others_by_its_sum() {
        let mut forest = forest(&["z/1", "z/2", "a/1", "a/2", "m"]);
        forest.sort((3, true));
        assert_eq!(
            seen(&forest, &[], ""),
            ["a/", " 2", " 1", "m", "z/", " 2", " 1"]
        );
    }

    #[test]
    fn a_crowd_is_closed_and_shows_its_sums() {
        let names: Vec<String> = (0..60).map(|n| format!("big/{n}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let forest = forest(&names);
        let folds = BTreeMap::new();
        let view = View {
            folds: &folds,
            filter: String::new(),
        };
        let rows = forest.rows(&view);
        assert_eq!(rows.len(), 1);
        assert_eq!(
            (rows[0].group, rows[0].figures.tags),
            (Some((60, false)), 60)
        );
    }

    #[test]
    fn names_of_very_many_parts_do_not_make_the_tree_deeper() {
        let names: Vec<String> = (1..300).map(|n| format!("{}x", "a/".repeat(n))).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let forest = forest(&names);
        let mut folds = BTreeMap::new();
        forest.fold_all(&mut folds, true);
        let view = View {
            folds: &folds,
            filter: String::new(),
        };
        let rows = forest.rows(&view);
        assert_eq!(rows.iter().filter(|row| row.is_repository()).count(), 299);
        assert!(rows.iter().all(|row| row.depth <= DEEPEST));
    }

    proptest! {
        #[test]
        fn every_repository_is_shown_once_below_its_prefix(
            names in prop::collection::btree_set("[ab/]{0,7}", 0..30),
            filter in "[ab/]{0,2}",
        ) {
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            let forest = forest(&names);
            let view = View { folds: &BTreeMap::new(), filter: filter.clone() };
            let rows = forest.rows(&view);
            let mut leaves: Vec<&str> = rows.iter().filter(|row| row.is_repository())
                .map(|row| row.figures.name.as_str()).collect();
            leaves.sort_unstable();
            let wanted: Vec<&str> = names.iter().copied().filter(|name| name.contains(&filter)).collect();
            prop_assert_eq!(leaves, wanted);
            for row in &rows {
                prop_assert!(row.figures.name.get(row.label_at..).is_some());
            }
        }
    }
}
