'use client';

import 'lethe/element';
import type { LetheChat, LetheChatEvents } from 'lethe/element';
import { type DetailedHTMLProps, type HTMLAttributes, useEffect, useRef, useState } from 'react';

declare module 'react' {
  namespace JSX {
    interface IntrinsicElements {
      'lethe-chat': DetailedHTMLProps<HTMLAttributes<LetheChat>, LetheChat> & {
        model: string;
        placeholder?: string;
      };
    }
  }
}

/** The widget, and under it how many answers it has given. */
export function Chat() {
  const chat = useRef<LetheChat>(null);
  const [answers, setAnswers] = useState(0);

  useEffect(() => {
    const element = chat.current;
    const count = ({ detail }: LetheChatEvents['lethe-message']) => {
      if (detail.role === 'assistant') setAnswers((number) => number + 1);
    };
    element?.addEventListener('lethe-message', count);
    return () => element?.removeEventListener('lethe-message', count);
  }, []);

  return (
    <>
      <p role="status">Answers so far: {answers}</p>
      <lethe-chat ref={chat} model="/model/" placeholder="Ask about rivers" />
    </>
  );
}
