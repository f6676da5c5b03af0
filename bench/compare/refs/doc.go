// Package refs turns two names of a git repository into two test binaries that can be run side by side.
//
//  1. [Open] finds the repository, makes a folder of its own among the temporary files, and removes what earlier runs
//     left behind when they were killed.
//  2. [Repo.Resolve] turns a name into a commit. "." is the working tree as it stands, with changes and untracked files,
//     stored as a commit that no branch points to. The user's checkout, index and branches are never touched.
//  3. [Repo.Checkout] puts the commit into a git worktree inside that folder.
//  4. [Worktree.Build] compiles the benchmark suite and the guests of that commit, once: the result is kept in a cache
//     under a hash of the source tree, the toolchain and its settings, and is checked when it is taken out again. The
//     guests are finished as the build of the program does it behind the compiler, by that commit's own code: what a
//     change there gains or costs is measured like any other. A commit from before there was such code has them as they
//     were linked.
//  5. [Identical] says whether two builds differ at all. Measuring equal code can only produce false alarms.
//  6. [Repo.Close] removes the worktrees. A context that is cancelled stops everything else, never this.
//
// # When is built code equal?
//
// Equal bytes are the plain case. But a comment moves line numbers, line numbers are part of a binary, and a commit that
// only corrects a comment would be measured for minutes to find nothing. So the build also hashes what went into it, with
// comments left out ([Build.Code]): every Go file of this module that the suite, the guests and what finishes them are made
// of, as a sequence of tokens together with the directives that hide in comments; other inputs byte by byte; the versions
// of the modules they use; the data files beside the suite. Code that reads its own line numbers would be judged wrongly.
package refs
