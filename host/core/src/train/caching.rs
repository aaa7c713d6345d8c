//! Caches of what teachers return: which tensors they hold, and how they are filled.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::feed::Feed;
use super::session::{is_of_plugin, scalars};
use super::{Session, Timetable, TrainingState, TrainingTask};
use crate::cache::layout::{Layout, Probe};
use crate::cache::{CacheError, CacheKey, CacheSpec, TeacherCache};
use crate::data::{ModelBatches, TeacherView};
use crate::distiller::Distiller;
use crate::out_of_memory::{CACHE_KEYS, OutOfMemory, described};
use crate::{Features, Result, StepContext};

/// How a teacher's features are kept.
#[derive(Debug, Clone)]
pub enum CacheRequest {
    /// In memory for the length of the run, in float32.
    Memory,
    /// In a folder, for later runs too.
    Folder {
        /// Where, and in which kind of numbers.
        spec: CacheSpec,
        /// What the folder's content was made of.
        key: CacheKey,
    },
}

/// How far the caches are filled.
#[derive(Debug, Clone)]
pub struct Filled {
    /// The teacher as it is called in messages.
    pub teacher: String,
    /// The examples that are in its cache, out of all.
    pub done: usize,
    /// How many examples it holds.
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
                task.open_cache(index, self.distiller.as_mut())?;
            }
        }
        Ok(())
    }

    /// Puts into the caches what they lack, damaged examples included: all that is there is read first. A raised
    /// `interrupt` ends it after the current batch.
    pub fn fill_caches(&mut self, on_batch: &mut dyn FnMut(&Filled), interrupt: &AtomicBool) -> Result<()> {
        for task in &mut self.tasks {
            for index in 0..task.teachers.len() {
                task.fill_cache(index, on_batch, interrupt)?;
            }
        }
        Ok(())
    }

    /// Puts into the caches what the forward steps before `start` put there: those in memory went with the process
    /// that made them. Teachers are run on the batches of those steps, because the last bits of an example's features
    /// depend on the examples beside it. Returns whether it was done before `interrupt` was raised.
    pub(super) fn refill_caches(
        &mut self,
        start: &TrainingState,
        timetable: &Timetable,
        interrupt: &AtomicBool,
    ) -> Result<bool> {
        let mut feed = Feed::new(&self.tasks, self.task_order.clone(), 0);
        for step in 0..start.step {
            if interrupt.load(Ordering::Relaxed) {
                return Ok(false);
            }
            // No step of the first epoch finds its examples there.
            let is_after_epoch = step > 0 && step % self.batches_per_epoch() as u64 == 0;
            let is_full = |(_, cache): (String, &TeacherCache)| cache.missing().is_empty();
            if is_after_epoch && self.tasks.iter().flat_map(TrainingTask::caches).all(is_full) {
                return Ok(true);
            }
            let (task, batches) = feed.next()?;
            match self.tasks[task].fill_caches_with(batches, &timetable.context(step)) {
                // The batch was left out.
                Err(error) if start.skipped > 0 && is_of_plugin(&error) => {}
                filled => filled?,
            }
        }
        Ok(true)
    }
}

impl TrainingTask {
    /// Waits until caches on disk have what was put there.
    pub(super) fn flush_caches(&self) -> Result<()> {
        self.caches().try_for_each(|(_, cache)| cache.flush())
    }

    /// Runs those teachers on a batch that have a cache and find something in the batch that is not there.
    fn fill_caches_with(&mut self, batches: ModelBatches, context: &StepContext) -> Result<()> {
        let is_missing =
            |view: &TeacherView| view.cache.as_ref().is_some_and(|cache| !cache.has_all(&batches.examples));
        let missing: Vec<usize> =
            (0..self.teachers.len()).filter(|index| self.views.teachers.get(*index).is_some_and(is_missing)).collect();
        if missing.is_empty() {
            return Ok(());
        }
        let batch = self.prepare(batches, context)?;
        missing.into_iter().try_for_each(|index| self.teacher_features(index, &batch, context).map(drop))
    }

    /// The open caches, each with its teacher as it is called in messages.
    pub fn caches(&self) -> impl Iterator<Item = (String, &TeacherCache)> {
        let branches = self.teachers.iter().zip(&self.views.teachers);
        branches.filter_map(|(branch, view)| Some((branch.label(), view.cache.as_deref()?)))
    }

    fn open_cache(&mut self, index: usize, distiller: &mut dyn Distiller) -> Result<()> {
        let Some(request) = self.cache_requests.get(index).cloned().flatten() else { return Ok(()) };
        let lengths = self.views.of_teacher(index).lengths();
        let layout = self.layout(index, &lengths, distiller)?;
        self.check_padding(index, &layout, &lengths, distiller)?;
        let cache = match request {
            CacheRequest::Memory => TeacherCache::in_memory(layout, lengths)?,
            CacheRequest::Folder { spec, key } => TeacherCache::open(&spec, key, layout, lengths)?,
        };
        self.views.teachers[index].cache = Some(Arc::new(cache));
        Ok(())
    }

    /// Which tensors a teacher's features have, found by two batches: the shortest example twice, and once with a
    /// token more of padding.
    fn layout(&mut self, index: usize, lengths: &[usize], distiller: &mut dyn Distiller) -> Result<Layout> {
        let (shortest, length) = shortest(lengths);
        let limit = self.teachers[index].model.spec().inputs.max_length;
        let more = usize::from(limit.is_none_or(|limit| length < limit));
        let context = StepContext::default();
        let mut features = |examples: &[usize], more| {
            let batch = self.prepare(self.views.padded_batches(examples, more)?, &context)?;
            Ok::<Features, crate::Error>(self.teacher_features(index, &batch, &context)?.0)
        };
        let (twice, padded) = (features(&[shortest, shortest], 0)?, features(&[shortest], more)?);
        let first = Probe { features: &twice, num_examples: 2, length };
        let second = Probe { features: &padded, num_examples: 1, length: length + more };
        let teacher = &self.teachers[index];
        Ok(Layout::find(&teacher.label(), &first, &second, &distiller.used_layers(&twice, teacher.side))?)
    }

    /// Whether the loss is the same where the padding of a teacher's tensors is lost. One that counts padding would
    /// not be wrong with a cache, but another.
    fn check_padding(
        &mut self,
        index: usize,
        layout: &Layout,
        lengths: &[usize],
        distiller: &mut dyn Distiller,
    ) -> Result<()> {
        let (shortest, short) = shortest(lengths);
        let Some((longest, long)) = lengths.iter().copied().enumerate().max_by_key(|(_, length)| *length) else {
            return Ok(());
        };
        if short == long {
            return Ok(());
        }
        let context = StepContext::default().of_task(self.name.as_ref());
        let batch = self.prepare(self.views.padded_batches(&[shortest, longest], 0)?, &context)?;
        let adapted = tch::no_grad(|| self.adapt(&batch, &context, None))?;
        let student = adapted.student.0;
        let mut teachers: Vec<Features> = adapted.teachers.into_iter().map(|(features, _)| features).collect();
        distiller.begin_step(&context)?;
        let live = scalars(&tch::no_grad(|| distiller.loss(&student, &teachers))?, 0)?;

        let cache = TeacherCache::in_memory(layout.clone(), vec![short, long])?;
        cache.write(&[0, 1], &teachers[index])?;
        teachers[index] = cache.read(&[0, 1])?.to_device(self.student.model.device())?;
        distiller.begin_step(&context)?;
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

    fn fill_cache(&mut self, index: usize, on_batch: &mut dyn FnMut(&Filled), interrupt: &AtomicBool) -> Result<()> {
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
            let context = StepContext::default();
            let batch = self.prepare(self.views.padded_batches(examples, 0)?, &context)?;
            self.teacher_features(index, &batch, &context).map_err(|error| {
                let during = format!("filling the cache of the {}", filled.teacher);
                OutOfMemory::or_else(error, during, described(batch.student()), CACHE_KEYS, |error| error)
            })?;
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
