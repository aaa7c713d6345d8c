//! Caches of what teachers return: which tensors they hold, and how they are filled.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::session::scalars;
use super::{Session, Task};
use crate::cache::layout::{Layout, Probe};
use crate::cache::{CacheError, CacheKey, CacheSpec, TeacherCache};
use crate::distiller::Distiller;
use crate::model::Mode;
use crate::{Device, Features, Result};

/// How a teacher's features are kept.
#[derive(Debug, Clone)]
pub enum CacheRequest {
    /// In memory for the length of the run, in float32.
    Memory,
    /// In a folder, for later runs too.
    Folder { spec: CacheSpec, key: CacheKey },
}

/// How far the caches are filled.
#[derive(Debug, Clone)]
pub struct Filled {
    /// The teacher as it is called in messages.
    pub teacher: String,
    /// The examples that are in its cache, out of all.
    pub done: usize,
    pub examples: usize,
}

impl Session {
    /// Opens the caches that the teachers ask for; `check` must have passed. From now on a teacher is not run on
    /// examples that its cache has, and its features of others are put there.
    ///
    /// # Errors
    /// If a cache is another teacher's, or if features cannot be kept by example.
    pub fn open_caches(&mut self) -> Result<()> {
        for task in &mut self.tasks {
            for index in 0..task.teachers.len() {
                task.open_cache(index, self.distiller.as_ref(), self.device)?;
            }
        }
        Ok(())
    }

    /// Puts into the caches what they lack, damaged examples included: all that is there is read first. A raised `interrupt` ends it after the current batch.
    pub fn fill_caches(&mut self, on_batch: &mut dyn FnMut(&Filled), interrupt: &AtomicBool) -> Result<()> {
        for task in &mut self.tasks {
            for index in 0..task.teachers.len() {
                task.fill_cache(index, self.device, on_batch, interrupt)?;
            }
        }
        Ok(())
    }
}

impl Task {
    /// The open caches, each with its teacher as it is called in messages.
    pub fn caches(&self) -> impl Iterator<Item = (String, &TeacherCache)> {
        let branches = self.teachers.iter().zip(&self.views.teachers);
        branches.filter_map(|(branch, view)| Some((branch.label(), view.cache.as_deref()?)))
    }

    fn open_cache(&mut self, index: usize, distiller: &dyn Distiller, device: Device) -> Result<()> {
        let Some(request) = self.cache_requests.get(index).cloned().flatten() else { return Ok(()) };
        let lengths = self.views.of_teacher(index).lengths();
        let layout = self.layout(index, &lengths, distiller, device)?;
        self.check_padding(index, &layout, &lengths, distiller, device)?;
        let cache = match request {
            CacheRequest::Memory => TeacherCache::in_memory(layout, lengths),
            CacheRequest::Folder { spec, key } => TeacherCache::open(&spec, key, layout, lengths)?,
        };
        self.views.teachers[index].cache = Some(Arc::new(cache));
        Ok(())
    }

    /// Which tensors a teacher's features have, found by two batches: the shortest example twice, and once with a
    /// token more of padding.
    fn layout(&mut self, index: usize, lengths: &[usize], distiller: &dyn Distiller, device: Device) -> Result<Layout> {
        let (shortest, length) = shortest(lengths);
        let more = usize::from(length < self.teachers[index].model.info().max_length);
        let mut features = |examples: &[usize], more| {
            let batch = self.prepare(self.views.padded_batches(examples, more)?, 0, device)?;
            Ok::<Features, crate::Error>(self.teacher_features(index, &batch, 0)?.0)
        };
        let (twice, padded) = (features(&[shortest, shortest], 0)?, features(&[shortest], more)?);
        let first = Probe { features: &twice, num_examples: 2, length };
        let second = Probe { features: &padded, num_examples: 1, length: length + more };
        let teacher = &self.teachers[index];
        Ok(Layout::find(&teacher.label(), &first, &second, &distiller.used_layers(&twice, teacher.role))?)
    }

    /// Whether the loss is the same where the padding of a teacher's tensors is lost. One that counts padding would
    /// not be wrong with a cache, but another.
    fn check_padding(
        &mut self,
        index: usize,
        layout: &Layout,
        lengths: &[usize],
        distiller: &dyn Distiller,
        device: Device,
    ) -> Result<()> {
        let (shortest, short) = shortest(lengths);
        let Some((longest, long)) = lengths.iter().copied().enumerate().max_by_key(|(_, length)| *length) else {
            return Ok(());
        };
        if short == long {
            return Ok(());
        }
        let batch = self.prepare(self.views.padded_batches(&[shortest, longest], 0)?, 0, device)?;
        let adapted = tch::no_grad(|| self.adapt(&batch, 0, Mode::Eval))?;
        let student = adapted.student.0;
        let mut teachers: Vec<Features> = adapted.teachers.into_iter().map(|(features, _)| features).collect();
        let live = scalars(&tch::no_grad(|| distiller.loss(&student, &teachers))?, 0)?;

        let cache = TeacherCache::in_memory(layout.clone(), vec![short, long]);
        cache.write(&[0, 1], &teachers[index])?;
        teachers[index] = cache.read(&[0, 1])?.to_device(device)?;
        let cached = scalars(&tch::no_grad(|| distiller.loss(&student, &teachers))?, 0)?;
        for (part, live) in live.into_iter().rev() {
            let cached = cached.get(&part).copied().unwrap_or(f64::NAN);
            // The same sums of the same numbers, but for terms that are zero.
            if (live - cached).abs() > 1e-6 + 1e-5 * live.abs() {
                let teacher = self.teachers[index].label();
                return Err(CacheError::Padding { teacher, part, live, cached }.into());
            }
        }
        Ok(())
    }

    fn fill_cache(
        &mut self,
        index: usize,
        device: Device,
        on_batch: &mut dyn FnMut(&Filled),
        interrupt: &AtomicBool,
    ) -> Result<()> {
        let Some(cache) = self.views.teachers[index].cache.clone() else { return Ok(()) };
        cache.check()?;
        let lengths = self.views.of_teacher(index).lengths();
        let mut missing = cache.missing();
        let mut filled = Filled {
            teacher: self.teachers[index].label(),
            done: lengths.len() - missing.len(),
            examples: lengths.len(),
        };
        // Examples of like length share a batch: the fewest padded tokens.
        missing.sort_by_key(|&example| std::cmp::Reverse(lengths[example]));
        on_batch(&filled);
        for examples in missing.chunks(self.loader.batch_size()) {
            if interrupt.load(Ordering::Relaxed) {
                break;
            }
            let batch = self.prepare(self.views.padded_batches(examples, 0)?, 0, device)?;
            self.teacher_features(index, &batch, 0)?;
            filled.done += examples.len();
            on_batch(&filled);
        }
        cache.flush()
    }
}

/// The first of the shortest examples, and its length.
fn shortest(lengths: &[usize]) -> (usize, usize) {
    // A data set has one example or more.
    lengths.iter().copied().enumerate().min_by_key(|(_, length)| *length).unwrap_or_default()
}
