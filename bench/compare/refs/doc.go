// Package refs turns two names of a git repository into two test binaries that can be run side by side.
//
//  1. [Open] finds the repository, makes a folder of its own among the temporary files, and removes what earlier runs
//     left behind when they were killed.
//  2. [Repo.Resolve] turns a name into a commit. "." is the working tree as it stands, with changes and untracked files,
//     stored as a commit that no branch points to. The user's checkout, index and branches are never touched.
//  3. [Repo.Checkout] puts the commit into a git worktree inside that folder.
//  4. [Worktree.Build] compiles the benchmark suite and the guests of that commit, once: the result is kept in a cache
//     under a hash of the source tree, the toolchain and its settings, and is checked when it is taken out again. Every
//     commit's guests are finished in the same way ([Options].Finish).
//  5. [Identical] says whether two builds differ at all. Measuring equal code can only produce false alarms.
//  6. [Repo.Close] removes the worktrees. A context that is cancelled stops everything else, never this.
//
// # When is built code equal?
//
// Equal bytes are the plain case. But a comment moves line numbers, line numbers are part of a binary, and a commit that
// only corrects a comment would be measured for minutes to find nothing. So the build also hashes what went into it, with
// comments left out ([Build.Code]): every Go file of this module that the suite and the guests are made of, as a sequence
// of tokens together with the directives that hide in comments; other inputs byte by byte; the versions of the modules
// they use; the data files beside the suite. Code that reads its own line numbers would be judged wrongly.
package refs
