import { Chat } from './chat';

export default function Page() {
  return (
    <main>
      <h1>A chat on your own GPU</h1>
      <Chat />
    </main>
  );
}
