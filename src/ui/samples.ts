/** Three first questions, chosen to show the point: a short one, a long text to read, a long answer to write. */
import ferryStory from './sample_story.txt?raw';

export interface Sample {
  readonly title: string;
  /** What it shows, in one line. */
  readonly hint: string;
  readonly text: string;
}

export const SAMPLES: readonly Sample[] = [
  {
    title: 'Ask something short',
    hint: 'Why does the moon always show us the same side?',
    text: 'Why does the moon always show us the same side?',
  },
  {
    // The story was written for Lethe: about 700 words, with facts to ask for at its start, middle and end.
    title: 'Let it read a story',
    hint: 'About 700 words, then a question: there is much to forget here.',
    text: `Read this story.\n\n${ferryStory.trim()}\n\nHow did Ida's thin book help the engineers?`,
  },
  {
    title: 'Let it write at length',
    hint: 'A tale about a river that forgets everything but one thing.',
    text: 'Write a long tale about a river that forgets everything but one thing. Use headings for its parts.',
  },
];
